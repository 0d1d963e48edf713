"""A run's folder: what was asked for, what it ran on, what came out, and how to take it up again."""

import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from reid_lit.backbones.weights import read_checkpoint, weights_file
from reid_lit.embeddings import read_metadata
from reid_lit.paths import assignment, write_text

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "timm", "hydra-core", "torchmetrics", "numpy")


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of a run.

    Attributes:
        folder: Where everything of the run lies.
    """

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """The last weights with all that a training needs to go on."""
        return self.folder / "checkpoints" / "last.ckpt"

    def overrides(self) -> list[str]:
        """What the run was started with.

        Raises:
            FileNotFoundError: the folder is no run's folder.
        """
        file = self.folder / ".hydra" / "overrides.yaml"
        if not file.is_file():
            raise FileNotFoundError(
                f"{self.folder.resolve()} is no run's folder: it has no {file.relative_to(self.folder)}"
            )
        return [str(each) for each in OmegaConf.load(file)]

    def read_checkpoint(self) -> dict[str, Any]:
        """The checkpoint, without executing anything that it holds.

        Raises:
            FileNotFoundError: the run has none; it was killed in its first epoch.
            ValueError: it holds code or is damaged.
        """
        if not self.checkpoint.is_file():
            raise FileNotFoundError(f"no {self.checkpoint.resolve()}: the run was killed before its first epoch ended")
        return read_checkpoint(self.checkpoint)

    def read_weights(self) -> dict[str, Any]:
        """The checkpoint that is tested: of the epoch that was chosen, the last where none was; likewise.

        Raises:
            FileNotFoundError: the run has none; it was killed in its first epoch.
            ValueError: it holds code or is damaged.
        """
        file = weights_file(self.folder)
        return self.read_checkpoint() if file == self.checkpoint else read_checkpoint(file)

    def write_training_list(self, paths: Iterable[str]) -> None:
        """Keep which images are trained on."""
        write_text(self.folder / "training_list.txt", "\n".join(sorted(paths)) + "\n")

    def training_list(self) -> list[str]:
        """The images that were trained on; none in the folder of a run that kept no list."""
        file = self.folder / "training_list.txt"
        return file.read_text().splitlines() if file.is_file() else []

    def record_start(self, config: DictConfig) -> None:
        """Keep the resolved config, and add this start to ``environment.json``."""
        write_text(self.folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        file = self.folder / "environment.json"
        starts = json.loads(file.read_text()) if file.is_file() else []
        self.write_json("environment.json", [*starts, environment()])

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file of the run, whole or not at all."""
        write_text(self.folder / name, json.dumps(content, indent=2, allow_nan=False) + "\n")


def environment() -> dict[str, Any]:
    """Versions, machine, git commit and command of this process."""
    commit, changed = _git()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.executable).name, "-m", *_module(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "machine": platform.platform(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "git_commit": commit,
        "git_uncommitted_changes": changed,
    }


def _module() -> list[str]:
    import __main__

    spec = getattr(__main__, "__spec__", None)
    return [spec.name] if spec else []


def _git() -> tuple[str | None, bool | None]:
    """The commit of the checkout that this package runs from, and whether files differ; None from a wheel."""

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        ask("ls-files", "--error-unmatch", Path(__file__).name)  # a wheel inside another project's checkout is not ours
        return ask("rev-parse", "HEAD"), bool(ask("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def replayed(arguments: list[str]) -> list[str]:
    """Command-line arguments with those of an earlier run before them.

    ``resume=<folder>`` goes on in that folder; ``run=<folder>`` tests what lies there; ``embeddings=<file>`` without
    either, what such a run has embedded. Each takes everything that the earlier run was told, and what is given beside
    it wins.

    Raises:
        FileNotFoundError: the folder is no run's folder, or there is no such file.
        ValueError: the file holds no embeddings.
    """
    given = {key_of(argument) for argument in arguments}
    for position, argument in enumerate(arguments):
        key, _, value = argument.partition("=")
        if key in ("resume", "run") and value not in ("", "null"):
            folder = value.strip("\"'")
            hidden = given | {"resume", "run", "hydra.run.dir"}
            earlier = [each for each in Run(Path(folder)).overrides() if key_of(each) not in hidden]
            told = [*earlier, *arguments[:position], assignment(key, Path(folder)), *arguments[position + 1 :]]
            stays = key == "resume" and "hydra.run.dir" not in given
            return [*told, assignment("hydra.run.dir", Path(folder))] if stays else told
    files = [value for key, _, value in (each.partition("=") for each in arguments) if key == "embeddings"]
    if files and files[0] not in ("", "null"):
        first = files[0].strip("[]").split(",")[0].strip("\"' ")
        hidden = given | {"resume", "hydra.run.dir"}
        return [*(each for each in read_metadata(Path(first))["overrides"] if key_of(each) not in hidden), *arguments]
    return arguments


def key_of(argument: str) -> str:
    """The key of an override, such as ``loader.workers`` of ``+loader.workers=0``."""
    return argument.lstrip("+~").partition("=")[0]
