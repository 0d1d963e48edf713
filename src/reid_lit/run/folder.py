"""A run's folder: its overrides and config, the machine it ran on, its results and its checkpoints."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reid_lit.backbones.checkpoint import read_checkpoint, weights_file
from reid_lit.errors import InputError, MissingFileError
from reid_lit.paths import write_text
from reid_lit.run.added_keys import with_added
from reid_lit.run.environment import environment
from reid_lit.run.moved import renamed
from reid_lit.run.moved_keys import present

SCORING = ("ap", "camera_rule", "distance", "feature", "flip", "crops", "junk")
"""Keys of ``evaluation`` that say how a ranking is scored; the others add something to it."""


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of a run.

    Attributes:
        folder: Holds all files of the run.
        weights: The checkpoint that is tested; None: see :meth:`read_weights`.
    """

    folder: Path
    weights: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """The last weights with all that a training needs to go on."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def log(self) -> Path:
        """The log of the training, a row for each time that something was logged."""
        return self.folder / "log" / "metrics.csv"

    def overrides(self) -> list[str]:
        """What the run was started with, under the present names of keys.

        Raises:
            FileNotFoundError: the folder is no run's folder.
        """
        file = self.folder / ".hydra" / "overrides.yaml"
        if not file.is_file():
            raise MissingFileError(
                f"{self.folder.resolve()} is no run's folder: it has no {file.relative_to(self.folder)}"
            )
        stored = OmegaConf.load(file)
        words = OmegaConf.to_container(stored, resolve=False)  # an item of stored would be computed when it is read
        if not isinstance(words, list):  # an empty file is what a power failure leaves
            raise InputError(f"{file.resolve()} holds no words that a run was started with; copy the run's folder anew")
        return present([str(word) for word in words])

    def config(self) -> DictConfig:
        """What the run was, resolved, its parts under their present names; a split has the config of the folder above.

        Raises:
            FileNotFoundError: the folder is no run's folder.
        """
        split = self.folder.name.startswith("split_")
        for file in (place / "config.yaml" for place in (self.folder, self.folder.parent)[: 1 + split]):
            if file.is_file() and "model" in (config := OmegaConf.load(file)):
                return OmegaConf.create(with_added(renamed(OmegaConf.to_container(config))))
        raise MissingFileError(
            f"{self.folder.resolve()} is no run's folder: no config.yaml there says what was trained; give the folder"
            f" of a finished run, such as runs/duke_strong/<time>, or a checkpoint in its folder checkpoints"
        )

    def option(self, group: str) -> str | None:
        """The option of ``group`` that the run was started with; None where its folder does not tell."""
        file = self.folder / ".hydra" / "hydra.yaml"
        if not file.is_file():
            return None
        return OmegaConf.select(OmegaConf.load(file), f"hydra.runtime.choices.{group}")

    def read_checkpoint(self) -> dict[str, Any]:
        """The checkpoint, without executing anything that it holds.

        Raises:
            FileNotFoundError: the run has none; it was killed in its first epoch.
            ValueError: it holds code or is damaged.
        """
        if not self.checkpoint.is_file():
            raise MissingFileError(
                f"no {self.checkpoint.resolve()}: the run was killed before its first epoch ended; train it with"
                f" python -m reid_lit.train resume=<its folder>, or give another run"
            )
        return read_checkpoint(self.checkpoint)

    def read_weights(self) -> dict[str, Any]:
        """The checkpoint that is tested: ``weights``, else that of the chosen epoch, else the last; no code is run.

        Raises:
            FileNotFoundError: the run has none; it was killed in its first epoch.
            ValueError: it holds code or is damaged.
        """
        file = self.weights or weights_file(self.folder)
        return self.read_checkpoint() if file == self.checkpoint else read_checkpoint(file)

    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``; empty before the run's end."""
        file = self.folder / "metrics.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    def starts(self) -> list[dict[str, Any]]:
        """When, where and by which command the run was started, the last start at the end; empty where none is kept."""
        file = self.folder / "environment.json"
        return json.loads(file.read_text()) if file.is_file() else []

    def record_start(self, config: DictConfig) -> None:
        """Keep the resolved config, and add this start to ``environment.json``."""
        write_text(self.folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        self.write_json("environment.json", [*self.starts(), environment()])

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file of the run, whole or not at all."""
        write_text(self.folder / name, json.dumps(content, indent=2, allow_nan=False) + "\n")


def required_run(config: Mapping[str, Any] | DictConfig, *, instead: str = "") -> Path:
    """The folder that ``run`` names.

    Args:
        config: Of a command that works on a run.
        instead: What would do as well, for the message.

    Raises:
        ValueError: no folder is named.
    """
    run = config.get("run")
    if not run:
        raise InputError(f"no run is named; give run=<folder of a finished run>{instead and f', or {instead}'}")
    return Path(run)
