"""The page of a table: published next to ours, in the paper's layout."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reid_lit.evaluation.catalogue import find, label
from reid_lit.pages.charts import published_charts
from reid_lit.pages.facts import in_words, number
from reid_lit.pages.render import write_page

Cell = Mapping[str, Any]

PAGE = "page.html"
"""The name of a run's page in its folder."""


def table_page(report: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html``: one file that needs no network.

    A cell measured on other data than the paper's shows no difference and no verdict, whatever the report holds.

    Args:
        report: What ``report.json`` holds: title, source, metrics, unit, rows with their cells.
        folder: Where the page goes; runs are linked from there.
    """
    rows = report["rows"]
    labels = list(dict.fromkeys(name for row in rows for name in row["cells"]))
    details = list(_details(report, folder))
    return write_page(
        folder / "report.html",
        "table.html",
        title=report["title"],
        source=report["source"],
        size=report.get("size") or "",
        written=report.get("written") or "",
        command=report.get("command") or "",
        unit=report["unit"],
        notes=report.get("notes") or [],
        foreign=any(_measured(cell) and not cell.get("reproduction") for row in rows for cell in row["cells"].values()),
        charts=_named(published_charts(report)),
        details=details,
        table={
            "labels": labels,
            "metrics": report["metrics"],
            "words": {metric: label(metric) for metric in report["metrics"]},
            "columns": [
                {"key": f"{name} {metric}", "metric": metric, "first": place == 0, "down": _best_first(metric)}
                for name in labels
                for place, metric in enumerate(report["metrics"])
            ],
            "rows": [_row(row, place, labels, report) for place, row in enumerate(rows)],
        },
    )


def _named(charts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chart | {"title": label(chart["title"])} for chart in charts]


def _best_first(metric: str) -> bool:
    """Whether the best score is the highest, so that the first press on the column sorts downwards."""
    entry = find(metric)
    return entry is None or entry.higher_is_better


def _row(row: Mapping[str, Any], place: int, labels: list[str], report: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the page's script takes it."""
    tags = {"quoted": "quoted by the paper", "waiting": "waiting", "same_as": "same as another row"}
    remark = "; ".join(str(row[name]) for name in ("reason", "note") if row.get(name))
    cells = {
        f"{name} {metric}": _cell(row["cells"].get(name, {}), metric, report, row["status"])
        for name in labels
        for metric in report["metrics"]
    }
    return {"name": row["name"], "place": place, "tag": tags.get(row["status"], ""), "remark": remark, "cells": cells}


def _cell(cell: Cell, metric: str, report: Mapping[str, Any], status: str) -> dict[str, Any]:
    published, ours = cell.get("published", {}).get(metric), cell.get("ours", {}).get(metric)
    same = bool(cell.get("reproduction"))
    difference = cell.get("difference", {}).get(metric) if same and ours else None
    inside = cell.get("inside", {}).get(metric) if same and ours else None
    sign, side = ("", "") if inside is None else ("✓ inside", "inside") if inside else ("✗ outside", "outside")
    states = {"failed": "✗ failed", "missing": "not yet run", "not run": "not run", "partly": "some seeds are missing"}
    return {
        "published": "" if published is None else number(report, metric, float(published)),
        "ours": figure(report, metric, ours) if ours else "",
        "reproduction": same,
        "difference": "" if difference is None else number(report, metric, difference, sign=True),
        "verdict": sign,
        "side": side,
        "state": states.get(cell.get("state", ""), "") if status == "run" and cell else "",
        "sort": ours["mean"] if ours and same else None if published is None else float(published),
    }


def figure(report: Mapping[str, Any], metric: str, ours: Mapping[str, Any]) -> str:
    """Mean, deviation and number of seeds.

    >>> ours = {"mean": 94.46, "sd": 0.21, "n": 3}
    >>> figure({"unit": "percent"}, "mAP", ours), figure({"unit": "percent"}, "mAP", ours | {"sd": None, "n": 1})
    ('94.5 ± 0.2 (3)', '94.5')
    """
    mean = number(report, metric, ours["mean"])
    several = ours.get("sd") is not None and ours.get("n", 1) > 1
    return f"{mean} ± {number(report, metric, ours['sd'])} ({ours['n']})" if several else mean


def _measured(cell: Cell) -> bool:
    return bool(cell.get("ours"))


def _details(report: Mapping[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """The facts of each cell that was run."""
    for row in report["rows"]:
        for name, cell in row["cells"].items():
            if not cell.get("runs") and not _measured(cell):
                continue
            yield {
                "row": row["name"],
                "label": name,
                "state": cell.get("state", ""),
                "reproduction": bool(cell.get("reproduction")),
                "facts": _facts(cell),
                "differs": cell.get("differs") or [],
                "runs": [_link(str(run), folder) for run in cell.get("runs") or []],
            }


def _facts(cell: Cell) -> list[tuple[str, str]]:
    """How a cell was measured: names and values."""
    facts = []
    if cell.get("stamp"):
        facts.append(("protocol", in_words(cell["stamp"])))
    if cell.get("hours") is not None:
        facts.append(("hours", f"{cell['hours']:.2f}"))
    if cell.get("machine"):
        facts.append(("machine", cell["machine"]))
    return facts


def _link(run: str, folder: Path) -> dict[str, str]:
    """A run's page where there is one, else its folder."""
    page = Path(run) / PAGE
    target = page if page.is_file() else Path(run)
    return {"name": run, "address": Path(os.path.relpath(target, folder)).as_posix()}
