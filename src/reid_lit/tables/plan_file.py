"""The file of a plan, ``plan.json``: what a report needs of a table, so that it composes nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.overrides import merged
from reid_lit.paths import write_text
from reid_lit.run import composing
from reid_lit.tables.command import TableRequest
from reid_lit.tables.jobs import Place
from reid_lit.tables.spec import PAPER, cells, dimensions, rows_of


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan of the last command; None before the first."""
    file = folder / "plan.json"
    return json.loads(file.read_text()) if file.is_file() else None


def write_plan(spec: Mapping[str, Any], request: TableRequest, places: Sequence[Place], command: str) -> Path:
    """Write ``plan.json`` into the folder of the table's report."""
    content = {
        "table": request.table,
        "size": request.size,
        "command": command,
        "table_dir": str(Path(request.table_dir).resolve()),
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
            }
            for place in places
        ],
    }
    return write_text(request.folder / "plan.json", json.dumps(content, indent=1) + "\n")


def _recipes(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The composed config of each cell of the paper."""
    return [
        {"row": cell.row, "label": cell.label, "config": composing.composed(merged([*cell.train, *cell.evaluate]))}
        for cell in cells(spec, PAPER)
    ]
