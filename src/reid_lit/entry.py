"""What every command shares: earlier runs taken up again, near names for what is misspelt."""

import dis
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

import reid_lit.resolvers  # noqa: F401 - the configs ask it
from reid_lit.data.problems import DataError, MissingDataError
from reid_lit.paths import packaged
from reid_lit.runs import key_of, replayed
from reid_lit.tables.command import for_hydra

_ON_PURPOSE = (ValueError, FileNotFoundError, RuntimeError)
"""What this package refuses by."""


def launch(
    task: Callable[[DictConfig], Any],
    *,
    config_name: str,
    replay: bool = True,
    first: Callable[[Mapping[str, Any]], object] | None = None,
) -> None:
    """Run ``task`` with what Hydra composes from the command line.

    Args:
        task: What to do with the config.
        config_name: The primary config in ``conf/``.
        replay: Whether ``run=<folder>`` means all that the run was told, not its folder alone.
        first: Refuses words of the command line, before Hydra makes a folder.
    """
    _quiet()
    torch.set_float32_matmul_precision("high")  # here, so that a run is trained and tested again by the same arithmetic
    try:
        if first is not None and not any(word.startswith("-") for word in sys.argv[1:]):  # such as --help
            first(_words(sys.argv[1:]))
        sys.argv[1:] = replayed(for_hydra(sys.argv[1:])) if replay else sys.argv[1:]
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    plain = functools.wraps(task)(lambda config: _without_traceback(task, config))
    command = hydra.main(version_base="1.3", config_path=str(packaged("conf")), config_name=config_name)(plain)
    try:
        command()
    except SystemExit as stop:
        if stop.code:
            GlobalHydra.instance().clear()
            for line in near_names(sys.argv[1:], config_name=config_name):
                sys.stderr.write(f"{line}\n")
        raise


def _words(arguments: list[str]) -> dict[str, str | None]:
    """The values of a command line, before anything is composed."""
    pairs = ((key_of(argument), argument.partition("=")[2]) for argument in arguments)
    return {key: None if value in ("", "null") else value for key, value in pairs}


def _without_traceback(task: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    """What was refused in words needs no line of our code to be understood."""
    try:
        return task(config)
    except Exception as error:
        text = refusal(error)
        if text is None or HydraConfig.get().mode == RunMode.MULTIRUN:
            raise  # a bug stays visible; Hydra goes on with the other jobs of a multirun
        sys.exit(text)


def refusal(error: BaseException) -> str | None:
    """What a user is told of an error that this package raised on purpose; None of any other, and for HYDRA_FULL_ERROR.

    Hydra wraps what is raised in building a part of the config: the words are taken out, with the key of that part.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        return None
    key = ""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        key = str(error).partition("\nfull_key: ")[2] or key
        error = error.__cause__
    if not isinstance(error, _ON_PURPOSE) or not _raised_here(error):
        return None
    if isinstance(error, DataError | MissingDataError):
        return f"{error.problem.kind}: {error}"
    return f"{key}: {error}" if key.rpartition(".")[2] not in str(error) else str(error)


def _raised_here(error: BaseException) -> bool:
    """Whether a ``raise`` of this package made it, not what our line called: ``int("x")``, a product of tensors."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    ours = Path(code.co_filename).resolve().is_relative_to(Path(__file__).resolve().parent)
    return ours and dis.opname[code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


def _quiet() -> None:
    """Keep what a user can act on; Lightning's hints are none of it."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # inside Lightning
        "Total length of `list` across ranks is zero",  # no persons held out for validation
        "The number of training batches .* is smaller than the logging interval",
        "Checkpoint directory .* exists and is not empty",  # a resumed run
        "The '.*_dataloader' does not have many workers",  # one for each core is what loader.workers=auto takes
    ):
        warnings.filterwarnings("ignore", message)


def near_names(arguments: list[str], *, config_name: str) -> list[str]:
    """A line for each argument that names no group, option or key, with the names that are near.

    Args:
        arguments: The command line, without the program.
        config_name: The primary config in ``conf/``.
    """
    given = [a for a in arguments if "=" in a and not a.startswith(("-", "hydra"))]
    pairs = [a.lstrip("+~").partition("=")[::2] for a in given]
    added = {a.lstrip("+").partition("=")[0] for a in given if a.startswith("+")}  # a key of the user's own
    groups = {
        p.relative_to(packaged("conf")).as_posix(): p for p in packaged("conf").glob("**/") if p != packaged("conf")
    }
    lines, choices = [], []
    for key, value in pairs:
        if key in groups:
            options = sorted(file.stem for file in groups[key].glob("*.yaml"))
            wrong = [v for v in value.strip("[]").split(",") if v not in (*options, "null")]
            lines += [_line(f"{key}={v}", v, options) for v in wrong]
            choices += [] if wrong or "," in value else [f"+{key}={value}" if key == "experiment" else f"{key}={value}"]
    config = _compose(config_name, choices)
    if config is not None:
        keys = [key for key, _ in pairs if key not in groups and key not in added]
        lines += [line for key in keys if (line := _misspelt(config, key, list(groups)))]
    return lines


def _compose(config_name: str, choices: list[str]) -> DictConfig | None:
    try:
        with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
            return hydra.compose(config_name, overrides=choices)
    except HydraException:
        return None


def _misspelt(config: DictConfig, key: str, groups: list[str]) -> str:
    """The line for a key that the config lacks; empty when it has it."""
    node: Any = OmegaConf.to_container(config, resolve=False)
    for depth, part in enumerate(parts := key.split(".")):
        if not isinstance(node, dict):
            return ""
        if part not in node:
            known = sorted({str(k) for k in node} | set(groups if depth == 0 else []))
            return _line(key, part, known, ".".join(parts[:depth]))
        node = node[part]
    return ""


def _line(given: str, word: str, known: list[str], place: str = "") -> str:
    near = get_close_matches(word, known, n=3, cutoff=0.5)
    where = f" in {place}" if place else ""
    if near:
        return f"{given}: no {word!r}{where}; did you mean {' or '.join(near)}?"
    return f"{given}: no {word!r}{where}; there are {', '.join(known)}"
