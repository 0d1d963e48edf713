"""Configs and logs of finished runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reid_lit.errors import InputError, MissingFileError
from reid_lit.files.log import logged
from reid_lit.kinds import Kind, kind_of_stamps
from reid_lit.run.folder import Run, splits_of
from reid_lit.run.moved import renamed

Runs = Sequence[str] | Mapping[str, str] | None
"""Folders of runs, or folders by their labels in a figure; None where no run is given."""


def labelled(runs: Runs, *, by: str) -> dict[str, Path]:
    """The runs' folders by label.

    Args:
        runs: A run without a label is called by its value of ``by``; several of one value by the name of their folder
            too, or by the way to it.
        by: A group, such as ``neck``, or a key of the config, such as ``name`` or ``optimizer.lr``.

    Raises:
        ValueError: no run is given, one is given twice, or one has no such group or key.
        FileNotFoundError: a folder is no run's folder.
    """
    if not runs:
        raise InputError("no run is given: runs=[runs/a/<time>,runs/b/<time>], or with labels runs={a: runs/a/<time>}")
    if isinstance(runs, Mapping):
        return {str(label): Path(folder).expanduser() for label, folder in runs.items()}
    folders = [Path(folder).expanduser() for folder in runs]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError(f"runs=[{','.join(map(str, folders))}] names a run twice; name each once")
    labels = [str(_value(folder, by)) for folder in folders]
    alike = [(label, folder.name) for label, folder in zip(labels, folders, strict=True)]
    return {
        label
        if labels.count(label) == 1
        else f"{label} ({folder.name if alike.count((label, folder.name)) == 1 else folder})": folder
        for label, folder in zip(labels, folders, strict=True)
    }


def _value(folder: Path, by: str) -> Any:
    """The option of a group in a run, or the value of a key of its config."""
    if by in (options := choices(folder)):
        return options[by]
    value: Any = settings(folder)
    for part in by.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise InputError(f"figure.by={by}: {folder} has no such group or key; give labels, runs={{a: {folder}}}")
        value = value[part]
    return value


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
    """A file of a run; that of the whole run for one of its splits."""
    for file in (place / name for place in dict.fromkeys((folder, Run(folder).started.folder))):
        if file.is_file():
            return OmegaConf.to_container(OmegaConf.load(file), resolve=False)  # type: ignore[return-value]
    raise MissingFileError(f"{folder.resolve()} is no run's folder: it has no {name}")


def column(folder: Path, name: str, *, along: str) -> list[tuple[int, float]]:
    """The logged values of a name, by ``step`` or ``epoch``; empty where it was not logged.

    Raises:
        FileNotFoundError: the run has no log.
    """
    file = Run(folder).log
    if not file.is_file() and (splits := splits_of(folder)):
        names = ", ".join(split.name for split in splits)
        raise MissingFileError(f"{folder.resolve()} trained several splits, each with its own log; give one of {names}")
    if not file.is_file():
        raise MissingFileError(f"no {file.resolve()}; give the folder of a run that trained with logger=csv or wandb")
    return logged(file, name, along=along)
