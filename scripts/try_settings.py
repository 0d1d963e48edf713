"""How settings end, counted by kind: ``python scripts/try_settings.py tests/training/bad_settings.txt``.

Each line of the file is the words of one training of two steps on the tiny synthetic data set. A setting ends in a
line (the error names key, value and cure), in a sound run, or raw: a traceback, or the words of another library.
"""

import argparse
import collections
import contextlib
import io
import logging
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit.command.refusals import refusal
from reid_lit.paths import packaged
from reid_lit.run.folder import Run
from reid_lit.training.once import train_once

SMALL = ["+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[32,16]", "loader.batch_size=8",
         "trainer.max_epochs=1", "trainer.limit_train_batches=2", "machine.workers=0", "machine.progress_bar=false",
         "~callbacks.pictures"]  # fmt: skip
PATIENCE = 60
"""Seconds after which a setting is said to hang."""


def composed(words: list[str], folder: Path) -> DictConfig:
    """What ``train.py`` composes of the words, on the small training."""
    keys = {word.lstrip("+~").partition("=")[0] for word in words}
    own = [word for word in SMALL if word.lstrip("+~").partition("=")[0] not in keys]
    own = own if not any(word.startswith("callbacks") or ".pictures" in word for word in words) else own[:-1]
    config = hydra.compose("train", [*own, f"data_root={folder}", *words], return_hydra_config=True)
    with open_dict(config):
        config.hydra.runtime.output_dir = str(folder / "run")
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


def outcome(words: list[str], folder: Path) -> tuple[str, str]:
    """The kind: ``line``, ``sound``, ``hydra`` (words that do not compose), ``raw`` or ``hang``; and what was said."""
    config: Any = None
    try:
        with limited(PATIENCE):
            config = composed(words, folder)
            train_once(config, Run(folder / "run"))
    except (HydraException, OmegaConfBaseException) as error:
        if config is None:
            return "hydra", str(error).partition("\n")[0]
        text = refusal(error, config)
        return ("line", text) if text else ("raw", f"{type(error).__name__}: {error}".partition("\n")[0])
    except TimeoutError:
        return "hang", ""
    except Exception as error:
        text = refusal(error, config)
        return ("line", text) if text else ("raw", f"{type(error).__name__}: {error}".partition("\n")[0])
    return "sound", ""


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TimeoutError after so many seconds."""

    def over(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcomes(lines: list[str], folder: Path) -> Iterator[tuple[str, str, str]]:
    """Each line, its kind, and what was said."""
    # in the folder: a relative path among the settings leads nowhere else
    with contextlib.chdir(folder), hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        for line in lines:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kind, text = outcome(line.split(" "), folder)
            yield line, kind, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a line of words for each setting")
    parser.add_argument("--every", type=int, default=1, help="take every n-th line")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("REID_CACHE", tempfile.mkdtemp())
    lines = given.file.read_text(encoding="utf-8").splitlines()[:: given.every]
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for line, kind, text in outcomes(lines, Path(folder)):
            counts[kind] += 1
            print(f"{kind:6}{line:60} {text}", flush=True)
    print(f"{len(lines)} settings: " + ", ".join(f"{number} {kind}" for kind, number in counts.most_common()))


if __name__ == "__main__":
    main()
