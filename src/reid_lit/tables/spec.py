"""A table of a paper, ``experiments/table/<paper>/<table>.yaml``: which rows, across what, by which overrides."""

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
from reid_lit.wording import unknown

PAPER, LAPTOP = "paper", "laptop"

SCORE_UNITS = ("percent", "fraction")
"""The units of tables whose metrics are scores of runs."""

_RUNS = ("set", "evaluate")
_KEYS = {
    "table": (
        *("title", "source", "paper", "metrics", "unit", "digits", "base", "base_evaluate", "across", "tolerance"),
        *("laptop", "notes", "rows"),
    ),
    "table.laptop": (*_RUNS, "base", "base_evaluate", "across", "drop"),
    "row": (*_RUNS, "name", "published", "corrected", "quoted", "waiting", "same_as", "only", "note", "laptop"),
    "row.laptop": _RUNS,
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
    """The ``table:`` of a YAML file, interpolations unresolved."""
    content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    spec = content["table"]
    _check_keys(file, spec)
    _check_metrics(file, spec)
    seeds = spec["across"].get("seed", [0])
    return spec | {"across": spec["across"] | {"seed": seeds}}


def _check_keys(file: Path, spec: Mapping[str, Any]) -> None:
    """Refuse a key that nothing reads: it would be ignored in silence."""
    parts = [("table", spec), ("table.laptop", spec.get("laptop", {}))]
    for row in spec["rows"]:
        parts += [("row", row), ("row.laptop", row.get("laptop", {}))]
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
    """The rows; on a laptop with their own keys for it."""
    rows = [dict(row) for row in spec["rows"]]
    return [row | row.get("laptop", {}) for row in rows] if size == LAPTOP else rows


def status(row: Mapping[str, Any]) -> str:
    """``run``, ``quoted``, ``waiting`` or ``same_as``."""
    return next((word for word in ("quoted", "waiting", "same_as") if row.get(word)), "run")


def cells(spec: Mapping[str, Any], size: str = PAPER, overrides: Sequence[str] = ()) -> list[Cell]:
    """Every number of the table that comes from runs.

    A table that a matrix generates has more keys than a file: ``own_test`` (trainings test themselves as their row
    says), ``stages`` (rows that are trained for others alone), and in a row or stage ``at`` (its ``set`` for each
    label; none for others), ``start`` (the name of the stage or row whose training it starts from, for the same label)
    and ``gives`` (the key that gets the run folder of that training).

    Args:
        spec: The content of the file.
        size: ``paper`` or ``laptop``.
        overrides: The user's own, after all others.
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
        self.rows = rows_of(spec, size)
        self.across = {name: values for name, values in self.variant["across"].items() if name != "seed"}
        laptop = size == LAPTOP
        self.dropped = set(self.variant.get("drop", ())) if laptop else set()
        self.last = self.variant.get("set", ()) if laptop else ()
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
            evaluate=merged([*self.variant.get("base_evaluate", ()), *evaluate]),
            own_test=self.variant.get("own_test", False),
            start=None if start is None else self.cell(-1, self.starts[start], labels),
            gives=row.get("gives", ""),
        )


def _variant(spec: Mapping[str, Any], size: str) -> dict[str, Any]:
    """The table's own keys, or those of its laptop in their place.

    Raises:
        TableError: there is no such size, or no laptop variant.
    """
    if size == PAPER:
        return dict(spec)
    if size != LAPTOP:
        raise TableError(f"size={size} is unknown; choose {PAPER} or {LAPTOP}")
    if "laptop" not in spec:
        raise TableError(f"{spec['title']}: nothing of this table is trained, so there is no size=laptop")
    laptop = dict(spec["laptop"])
    across = {"seed": spec["across"]["seed"]} | laptop.get("across", spec["across"])
    return {"base": spec["base"], "base_evaluate": spec.get("base_evaluate", ())} | laptop | {"across": across}
