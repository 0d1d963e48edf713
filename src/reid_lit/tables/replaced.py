"""Kept results of trainings that others of the same name replace: which would be lost, and what is left out."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.run.folder import Run
from reid_lit.tables.plan_file import plans_in, store_plan
from reid_lit.wording import counted

_log = logging.getLogger(__name__)

Coming = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A result that is to be copied: the plan of its table, and its cell."""


def moved(cell: Mapping[str, Any], target: Path) -> dict[Path, Path]:
    """The folders of a cell and those of their copies: the training's first, one where it was tested in training."""
    training, folder = Path(cell["training"]), Path(cell["folder"])
    copy = target / "trainings" / training.name
    return {training: copy, folder: copy / folder.relative_to(training)}


def coming_results(plans: Sequence[tuple[Mapping[str, Any], list[tuple[dict[str, Any], bool]]]]) -> list[Coming]:
    """The results of tables that are copied, each with its plan."""
    return [(plan, cell) for plan, done in plans for cell, whole in done if whole]


def that_would_lose(coming: Sequence[Coming], target: Path) -> set[str]:
    """The kept trainings of which results would be lost, since another of the same name lacks them; with warnings."""
    lost: dict[str, list[str]] = {}
    for plan, cells in _lost(coming, target):
        for cell in cells:
            table, _, row, label, seed = _result(plan, cell)
            lost.setdefault(training_name(cell), []).append(f"{table}/{row} {label} seed {seed}")
    for name, results in lost.items():
        _log.warning(
            "%s stays as it is kept: it was trained anew, and these results of it are missing: %s."
            " Run them too, or give replace=true, which leaves them out.", name, ", ".join(results),
        )  # fmt: skip
    return set(lost)


def _lost(coming: Sequence[Coming], target: Path) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """The kept tables, each with its results of trainings that others of their names replace, but for those that come.

    A training of another machine has other weights: an evaluation of those of before would stand beside it as its own.
    """
    copied = {str(moved(cell, target)[Path(cell["folder"])]) for _, cell in coming}
    anew = {_result(plan, cell) for plan, cell in coming}
    replaced = _replaced(coming, target)
    for plan in plans_in(target):
        of_replaced = (cell for cell in plan["cells"] if cell["training"] in replaced and cell["folder"] not in copied)
        if lost := [cell for cell in of_replaced if _result(plan, cell) not in anew]:
            yield plan, lost


def _replaced(coming: Sequence[Coming], target: Path) -> set[str]:
    """The folders of what is kept of trainings that others of the same name replace."""
    trainings = {Path(cell["training"]) for _, cell in coming}
    return {str(copy) for own in trainings if _is_other(own, copy := target / "trainings" / own.name)}


def training_name(cell: Mapping[str, Any]) -> str:
    """The name of the training of a cell."""
    return Path(cell["training"]).name


def _result(plan: Mapping[str, Any], cell: Mapping[str, Any]) -> tuple[str, str, str, str, int]:
    """What a result is of: table, size, row, label and seed."""
    return plan["table"], plan["size"], str(plan["rows"][cell["row"]]["name"]), cell["label"], cell["seed"]


def leave_out_replaced(coming: Sequence[Coming], target: Path) -> dict[Path, int]:
    """Leave out what is kept of trainings that others of the same name replace now, but for what is copied anew.

    Args:
        coming: The results that are copied.
        target: Where results are kept.

    Returns:
        The tables that have fewer results by that, with how many they have left.
    """
    left = {}
    for plan, lost in list(_lost(coming, target)):
        folder, stays = Path(plan["folder"]), [cell for cell in plan["cells"] if cell not in lost]
        _log.warning("%s: %s left out: the training was replaced by another one", folder, counted(len(lost), "result"))
        content = {name: value for name, value in plan.items() if name not in ("folder", "table_dir")}
        store_plan(folder, content | {"cells": stays, "seeds": sorted({cell["seed"] for cell in stays})})
        left[folder] = len(stays)
    for training in _replaced(coming, target):
        shutil.rmtree(training)
    return left


def _is_other(training: Path, copy: Path) -> bool:
    """Whether a copy is of another training of the same name: one that was started at another time."""
    times = [[start.get("time") for start in Run(folder).starts()[:1]] for folder in (training, copy)]
    return copy.is_dir() and times[0] != times[1]
