"""A run's folder: its overrides and config, the machine it ran on, its results and its checkpoints."""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf

from reid_lit.backbones.checkpoint import read_checkpoint, weights_file
from reid_lit.errors import InputError, MissingFileError
from reid_lit.overrides import key_of
from reid_lit.paths import write_text
from reid_lit.run.added_keys import with_added
from reid_lit.run.environment import environment
from reid_lit.run.moved import renamed
from reid_lit.run.moved_keys import present
from reid_lit.wording import counted

_log = logging.getLogger(__name__)

GOES_ON = ("resume", "repeat")
"""Keys of a start that goes on; no other start is to repeat them."""

_DAMAGE = (OSError, ValueError, yaml.YAMLError)
"""What a YAML file that is damaged raises."""

SCORING = (
    "ap",
    "camera_rule",
    "clothes_rule",
    "distance",
    "feature",
    "flip",
    "crops",
    "junk",
    "tracks",
    "track_queries",
)
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

    @property
    def started(self) -> "Run":
        """The run whose folder tells how it was started: of one split of several, the run of all."""
        above = Run(self.folder.parent)
        is_split = self.folder.name.startswith("split_") and not (self.folder / ".hydra").is_dir()
        return above if is_split and (above.folder / ".hydra").is_dir() else self

    def overrides(self) -> list[str]:
        """What the run was started with, under the present names of keys.

        Raises:
            FileNotFoundError: the folder is no run's folder.
        """
        file = self.folder / ".hydra" / "overrides.yaml"
        if not file.is_file():
            fact = f"{self.folder.resolve()} is no run's folder: it has no {file.relative_to(self.folder)}"
            whole = self.started.folder.resolve()
            raise MissingFileError(fact if self.started == self else f"{fact}; it is one split of {whole}: name that")
        try:
            words = OmegaConf.to_container(OmegaConf.load(file), resolve=False)  # an item of it would be computed
        except _DAMAGE:
            words = None
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
            if (config := read_yaml(file)) is not None and "model" in config:
                return OmegaConf.create(with_added(renamed(OmegaConf.to_container(config))))
        raise MissingFileError(
            f"{self.folder.resolve()} is no run's folder: no config.yaml there says what was trained; give the folder"
            f" of a finished run, such as runs/duke_strong/<time>, or a checkpoint in its folder checkpoints"
        )

    def hydra(self) -> DictConfig:
        """What Hydra kept of the last start; empty where the folder does not tell."""
        return read_yaml(self.folder / ".hydra" / "hydra.yaml") or OmegaConf.create()

    def option(self, group: str) -> str | None:
        """The option of ``group`` that the run was started with; None where its folder does not tell."""
        return OmegaConf.select(self.started.hydra(), f"hydra.runtime.choices.{group}")

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
        """The content of ``metrics.json``; empty before the run's end, and where the file is damaged."""
        content = read_json(self.folder / "metrics.json")
        return content if isinstance(content, dict) else {}

    def starts(self) -> list[dict[str, Any]]:
        """When, where and by which command the run was started, the last start at the end; empty where none is kept."""
        content = read_json(self.folder / "environment.json")
        return content if isinstance(content, list) else []

    def record_start(self, config: DictConfig, *, resumed: bool = False) -> None:
        """Keep the resolved config, and add this start to ``environment.json``.

        Args:
            config: Of this command.
            resumed: Whether the words of this start are to be kept too: Hydra writes those of the first one alone, so
                that a resumed run that is refused leaves the folder as it was.
        """
        write_text(self.folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        self.write_json("environment.json", [*self.starts(), environment()])
        if resumed:
            from hydra.core.hydra_config import HydraConfig  # here, so that a page needs no Hydra

            told = HydraConfig.get()
            parts = {
                "hydra": OmegaConf.create({"hydra": told}),
                "config": config,
                "overrides": OmegaConf.create([word for word in told.overrides.task if key_of(word) not in GOES_ON]),
            }
            for name, part in parts.items():
                write_text(self.folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(part))

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file of the run, whole or not at all."""
        write_text(self.folder / name, json.dumps(content, indent=2, allow_nan=False) + "\n")


def splits_of(folder: Path) -> list[Path]:
    """The folders of the splits' trainings in the folder of a run, by number."""
    numbers = {place: place.name.removeprefix("split_") for place in folder.glob("split_*")}
    return sorted(
        (place for place, number in numbers.items() if number.isdecimal()), key=lambda place: int(numbers[place])
    )


def read_json(file: Path) -> Any:
    """The content of a side file; None where it is not there, or damaged, which is said: nothing is stopped by that."""
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _log.warning("%s is passed over: it is damaged (%s)", file, error)
        return None


def read_yaml(file: Path) -> DictConfig | None:
    """As :func:`read_json`, of a mapping in YAML."""
    if not file.is_file():
        return None
    try:
        content = OmegaConf.load(file)
    except _DAMAGE as error:
        _log.warning("%s is passed over: it is damaged (%s)", file, str(error).partition("\n")[0])
        return None
    return content if isinstance(content, DictConfig) else None


def check_epochs(run: Run, epochs: int | None, steps: int = -1) -> bool:
    """Whether a run has anything left to train.

    Args:
        run: Has a checkpoint.
        epochs: ``trainer.max_epochs``; None or -1: not limited.
        steps: ``trainer.max_steps``; -1: not limited.

    Raises:
        ValueError: it has done more epochs; or its checkpoint cannot be read.
    """
    checkpoint = run.read_checkpoint()
    done = int(checkpoint["epoch"]) + 1
    limit = math.inf if epochs in (None, -1) else epochs
    if limit < done:
        raise InputError(
            f"trainer.max_epochs={epochs} beside resume=: {counted(done, 'epoch')} {'is' if done == 1 else 'are'} done;"
            f" give {done} to test it as it is, more to go on, or start a new run"
        )
    return done < limit and (steps == -1 or checkpoint["global_step"] < steps)


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
