"""A table of a paper, ``experiments/table/<paper>/<table>.yaml``: which rows, across what, by which overrides."""

import copy
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reid_lit.errors import InputError
from reid_lit.evaluation import catalogue
from reid_lit.overrides import merged, without
from reid_lit.paths import packaged
from reid_lit.run.identity import is_of
from reid_lit.wording import unknown

PAPER, REAL, LAPTOP = "paper", "real", "laptop"

SMALL = {
    REAL: "real data, smaller networks and smaller images than the paper's",
    LAPTOP: "synthetic data and small backbones",
}
"""The sizes below the paper's, and what they have in place of its data and networks; none is a reproduction."""

SIZES = (PAPER, *SMALL)

SCORE_UNITS = ("percent", "fraction")
"""The units of tables whose metrics are scores of runs."""

_RUNS = ("set", "evaluate")
_SIZE = (*_RUNS, "base", "base_evaluate", "across", "drop", "run", "rows", "stages", "minutes", "test_minutes")
_START = ("start", "gives", "at", "minutes")
_KEYS = {
    "table": (
        *("title", "source", "paper", "metrics", "unit", "digits", "base", "base_evaluate", "across", "tolerance"),
        *("notes", "rows", *SMALL),
    ),
    "row": (*_RUNS, "name", "published", "corrected", "quoted", "waiting", "same_as", "only", "note", *SMALL),
    **{f"table.{size}": _SIZE for size in SMALL},
    **{f"row.{size}": (*_RUNS, *_START, "only", "quoted", "note") for size in SMALL},
    "row of a size": (*_RUNS, *_START, "name", "only", "note"),
}


class TableError(InputError):
    """What is asked of a table cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A number of a table: a row, for a label of each dimension.

    Attributes:
        row: The row's place, from 0; -1: a stage, whose training others start from.
        label: The labels of all dimensions but the seed, joined by ``/``.
        train: Overrides of the training, without the seed.
        evaluate: Overrides of the evaluation alone.
        own_test: Whether the training tests itself as ``train`` says; else as its experiment does.
        start: The cell whose training this one starts from.
        gives: The key that gets the run folder of that training.
    """

    row: int
    label: str
    train: tuple[str, ...]
    evaluate: tuple[str, ...]
    own_test: bool = False
    start: "Cell | None" = None
    gives: str = ""


def table_names() -> list[str]:
    """All tables, as ``+table=`` takes them."""
    root = packaged("experiments") / "table"
    return sorted(file.relative_to(root).with_suffix("").as_posix() for file in root.glob("*/*.yaml"))


def read_table(name: str) -> dict[str, Any]:
    """The content of a table's file.

    Raises:
        TableError: there is no such table.
    """
    file = packaged("experiments") / "table" / f"{name}.yaml"
    if not file.is_file():
        raise TableError(unknown("table", name, table_names()))
    return read_file(file)


def read_file(file: Path) -> dict[str, Any]:
    """The ``table:`` of a YAML file, interpolations unresolved; a plan asks for some files a hundred times."""
    return copy.deepcopy(_read(file, file.stat().st_mtime_ns))


@functools.lru_cache
def _read(file: Path, _changed: int) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    spec = content["table"]
    _check_keys(file, spec)
    _check_metrics(file, spec)
    seeds = spec["across"].get("seed", [0])
    return spec | {"across": spec["across"] | {"seed": seeds}}


def _check_keys(file: Path, spec: Mapping[str, Any]) -> None:
    """Refuse a key that nothing reads: it would be ignored in silence."""
    parts = [("table", spec), *((f"table.{size}", own_keys(spec, size)) for size in SMALL)]
    for row in spec["rows"]:
        parts += [("row", row), *((f"row.{size}", own_keys(row, size)) for size in SMALL)]
    for size in SMALL:
        own = own_keys(spec, size)
        parts += [("row of a size", row) for key in ("rows", "stages") for row in own.get(key, ())]
    for kind, part in parts:
        for key in part:
            if key not in _KEYS[kind]:
                raise TableError(f"{file}: {unknown(f'key of a {kind}', str(key), _KEYS[kind])}")


def _check_metrics(file: Path, spec: Mapping[str, Any]) -> None:
    """Refuse a score that no run has; a table in another unit than a score's counts something else."""
    for metric in spec["metrics"] if spec["unit"] in SCORE_UNITS else ():
        if catalogue.find(metric) is None:
            raise TableError(f"{file}: metrics: {unknown('score', str(metric), catalogue.names())}")


def dimensions(spec: Mapping[str, Any], size: str = PAPER) -> dict[str, list[str]]:
    """The labels of each dimension that a table runs across; seeds last."""
    across = {**_variant(spec, size)["across"]}
    seeds = across.pop("seed")
    return {name: list(values) for name, values in across.items()} | {"seed": [str(seed) for seed in seeds]}


def rows_of(spec: Mapping[str, Any], size: str = PAPER) -> list[dict[str, Any]]:
    """The rows, with the keys that they have for the size in place of their own, then those that the size alone has."""
    own = own_keys(spec, size)
    return [*({**row, **own_keys(row, size)} for row in spec["rows"]), *map(dict, own.get("rows", ()))]


def own_keys(part: Mapping[str, Any], size: str) -> Mapping[str, Any]:
    """The keys that a table, or a row, has for a size alone; none for the paper's."""
    return part.get(size, {}) if size in SMALL else {}


def status(row: Mapping[str, Any]) -> str:
    """``run``, ``quoted``, ``waiting`` or ``same_as``."""
    return next((word for word in ("quoted", "waiting", "same_as") if row.get(word)), "run")


def cells(spec: Mapping[str, Any], size: str = PAPER, overrides: Sequence[str] = ()) -> list[Cell]:
    """Every number of the table that comes from runs.

    A size of a table, and a table that a matrix generates, may have ``stages`` (rows that are trained for others
    alone), and in a row or stage ``at`` (its ``set`` for each label; none for others), ``start`` (the name of the stage
    or row whose training it starts from, for the same label) and ``gives`` (the key that gets the run folder of that
    training). A matrix has ``own_test`` too: trainings test themselves as their row says.

    Args:
        spec: The content of the file.
        size: One of ``SIZES``.
        overrides: The user's own, after all others; those of a test win over what a row is tested by.
    """
    maker = _CellMaker(spec, size, overrides)
    return [
        maker.cell(place, row, labels)
        for place, row in enumerate(maker.rows)
        if status(row) == "run"
        for labels in itertools.product(*maker.across.values())
        if not maker.left_out(row, labels)
    ]


class _CellMaker:
    """Makes cells from rows and labels; see :func:`cells`."""

    def __init__(self, spec: Mapping[str, Any], size: str, overrides: Sequence[str]) -> None:
        self.variant, self.overrides = _variant(spec, size), overrides
        self.tested = [override for override in overrides if is_of("tested", override)]
        self.rows = rows_of(spec, size)
        self.across = {name: values for name, values in self.variant["across"].items() if name != "seed"}
        self.dropped = set(self.variant.get("drop", ()))
        self.last = self.variant.get("set", ())
        self.starts = {row["name"]: row for row in (*self.rows, *self.variant.get("stages", ()))}

    def left_out(self, row: Mapping[str, Any], labels: Sequence[str]) -> bool:
        """Whether a row has no number for these labels; labels of ``only`` that are not of this size keep nothing."""
        if "at" in row:
            return "/".join(labels) not in row["at"]
        known = {label for values in self.across.values() for label in values}
        only = set(row.get("only", ())) & known
        return bool(only) and not only & set(labels)

    def cell(self, place: int, row: Mapping[str, Any], labels: Sequence[str]) -> Cell:
        label = "/".join(labels)
        parts = [self.across[name][one] or {} for name, one in zip(self.across, labels, strict=True)]
        parts += [row, *([row["at"][label]] if "at" in row else [])]
        train, evaluate = (without([o for part in parts for o in part.get(key, ())], self.dropped) for key in _RUNS)
        start = row.get("start")
        return Cell(
            row=place,
            label=label,
            train=merged([*self.variant["base"], *train, *self.last, *self.overrides]),
            evaluate=merged([*self.variant.get("base_evaluate", ()), *evaluate, *self.tested]),
            own_test=self.variant.get("own_test", False),
            start=None if start is None else self.cell(-1, self.starts[start], labels),
            gives=row.get("gives", ""),
        )


def _variant(spec: Mapping[str, Any], size: str) -> dict[str, Any]:
    """The table's own keys, or those of a smaller size in their place.

    Raises:
        TableError: there is no such size, or the table has it not.
    """
    if size == PAPER:
        return dict(spec)
    check_size(spec, size)
    small = dict(spec[size])
    across = {"seed": spec["across"]["seed"]} | small.get("across", spec["across"])
    return {"base": spec["base"], "base_evaluate": spec.get("base_evaluate", ())} | small | {"across": across}


def suffix(size: str) -> str:
    """What the name of a table's folder ends with."""
    return "" if size == PAPER else f"-{size}"


def check_size(spec: Mapping[str, Any], size: str) -> None:
    """Refuse a size that a table has not.

    Raises:
        TableError: there is no such size, or the table has it not.
    """
    if size not in SIZES:
        raise TableError(f"size={size} is unknown; choose {', '.join(SIZES[:-1])} or {SIZES[-1]}")
    there = [each for each in SIZES if each == PAPER or each in spec]
    if size not in there:
        reason = "nothing of this table is trained, so " if len(there) == 1 else ""
        cure = "" if len(there) == 1 else f"; choose {' or '.join(there)}"
        raise TableError(f"{spec['title']}: {reason}there is no size={size}{cure}")
