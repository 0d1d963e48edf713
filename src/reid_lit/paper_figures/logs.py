"""Configs and logs of finished runs."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reid_lit.errors import InputError, MissingFileError
from reid_lit.kinds import Kind, kind_of_stamps
from reid_lit.run.folder import Run
from reid_lit.run.moved import renamed

Runs = Sequence[str] | Mapping[str, str] | None
"""Folders of runs, or folders by their labels in a figure; None where no run is given."""


def labelled(runs: Runs, *, by: str) -> dict[str, Path]:
    """The runs' folders by label.

    Args:
        runs: A run without a label is called by its value of ``by``; several of one value by their folder too.
        by: A group, such as ``neck``, or a key of the config, such as ``name``.

    Raises:
        ValueError: no run is given.
        FileNotFoundError: a folder is no run's folder.
    """
    if not runs:
        raise InputError("no run is given: runs=[runs/a/<time>,runs/b/<time>], or with labels runs={a: runs/a/<time>}")
    if isinstance(runs, Mapping):
        return {str(label): Path(folder).expanduser() for label, folder in runs.items()}
    folders = [Path(folder).expanduser() for folder in runs]
    labels = [str(choices(folder).get(by) or settings(folder).get(by)) for folder in folders]
    alike = {label for label in labels if labels.count(label) > 1}
    return {
        f"{label} ({folder.name})" if label in alike else label: folder
        for label, folder in zip(labels, folders, strict=True)
    }


def settings(folder: Path) -> dict[str, Any]:
    """The resolved config of a run, its parts under their present names.

    Raises:
        FileNotFoundError: the folder has none.
    """
    return renamed(_read(folder, Path("config.yaml")))


def kind_of_run(folder: Path) -> Kind:
    """What the tests of a run show; persons before its end, and where it tested nothing."""
    return kind_of_stamps(row["stamp"] for row in Run(folder).metrics().get("results", ()))


def choices(folder: Path) -> dict[str, Any]:
    """The options that a run chose, by group.

    Raises:
        FileNotFoundError: the folder is no run's folder.
    """
    return _read(folder, Path(".hydra") / "hydra.yaml")["hydra"]["runtime"]["choices"]


def _read(folder: Path, name: Path) -> dict[str, Any]:
    if not (folder / name).is_file():
        raise MissingFileError(f"{folder.resolve()} is no run's folder: it has no {name}")
    return OmegaConf.to_container(OmegaConf.load(folder / name), resolve=False)  # type: ignore[return-value]


def column(folder: Path, name: str, *, along: str) -> list[tuple[int, float]]:
    """The logged values of a name, by ``step`` or ``epoch``; empty where it was not logged.

    Raises:
        FileNotFoundError: the run has no log.
    """
    file = Run(folder).log
    if not file.is_file():
        raise MissingFileError(f"no {file.resolve()}; give the folder of a run that trained with logger=csv or wandb")
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row.get(name) and row.get(along)]
    return [(int(row[along]), float(row[name])) for row in rows]
