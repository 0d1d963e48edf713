"""The file of a plan, ``plan.json``: what a report needs of a table, so that it composes nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError
from reid_lit.overrides import merged
from reid_lit.paths import write_text
from reid_lit.run import composing
from reid_lit.tables.command import TableRequest
from reid_lit.tables.jobs import Place
from reid_lit.tables.spec import PAPER, cells, dimensions, rows_of

PLAN = "plan.json"
KEPT = "kept"
"""The key that says of a plan that its runs hold results alone (:mod:`reid_lit.tables.kept`)."""


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan of the last command, its paths absolute and ``folder`` its own; None before the first."""
    file = folder / PLAN
    if not file.is_file():
        return None
    plan = json.loads(file.read_text(encoding="utf-8"))
    table_dir = folder.resolve().parents[1]
    for cell in plan["cells"]:
        cell |= {name: str(table_dir / cell[name]) for name in ("training", "folder")}
    return plan | {"folder": str(folder.resolve()), "table_dir": str(table_dir)}


def plans_in(table_dir: Path) -> list[dict[str, Any]]:
    """The plans of all tables in a folder, as :func:`read_plan` gives them, by their names."""
    return [plan for file in sorted(table_dir.glob(f"*/*/{PLAN}")) if (plan := read_plan(file.parent))]


def write_plan(spec: Mapping[str, Any], request: TableRequest, places: Sequence[Place], command: str) -> Path:
    """Write ``plan.json`` into the folder of the table's report.

    Raises:
        ValueError: results are kept there, and no runs.
    """
    earlier = read_plan(request.folder)
    if earlier and earlier.get(KEPT):
        raise InputError(
            f"table_dir={request.table_dir} keeps results without weights, which no training can go on from;"
            f" run {request.table} in another folder, then keep its results: python -m reid_lit.report keep"
        )
    return store_plan(
        request.folder,
        {
            "table": request.table,
            "size": request.size,
            "command": command,
            "overrides": list(request.overrides),
            "seeds": sorted({place.seed for place in places}),
            "spec": dict(spec),
            "dimensions": dimensions(spec, request.size),
            "rows": rows_of(spec, request.size),
            "recipes": _recipes(spec),
            "cells": [
                {
                    "row": place.cell.row,
                    "label": place.cell.label,
                    "seed": place.seed,
                    "asked": place.wanted,
                    "training": str(place.training.folder),
                    "folder": str(place.last.folder),
                    "test": place.test,
                }
                for place in places
            ],
        },
    )


def store_plan(folder: Path, plan: Mapping[str, Any]) -> Path:
    """Write a plan; paths in the tables' folder are kept as seen from there, so that it can be moved."""
    table_dir = folder.resolve().parents[1]
    cells = [
        dict(cell) | {name: _from(table_dir, Path(cell[name])) for name in ("training", "folder")}
        for cell in plan["cells"]
    ]
    return write_text(folder / PLAN, json.dumps(dict(plan) | {"cells": cells}, indent=1) + "\n")


def _from(table_dir: Path, path: Path) -> str:
    return path.relative_to(table_dir).as_posix() if path.is_relative_to(table_dir) else str(path)


def _recipes(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The composed config of each cell of the paper."""
    return [
        {"row": cell.row, "label": cell.label, "config": composing.composed(merged([*cell.train, *cell.evaluate]))}
        for cell in cells(spec, PAPER)
    ]
