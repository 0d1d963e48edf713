"""The page of the claims: one file that needs no network, with a small plot of each interval."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_lit.pages.render import write_page
from reid_lit.tables.claims import text
from reid_lit.tables.claims.spec import MEASURES
from reid_lit.tables.claims.verdict import VERDICTS

WIDTH, HEIGHT, EDGE = 240, 26, 8
"""Of a plot, and what is free on its left and right, in CSS pixels."""

SIGNS = {"seen": "✓", "reversed": "✗", "not seen": "○", "undecided": "?", "not tested": "–"}

Entry = Mapping[str, Any]


def claims_page(ledger: Entry, folder: Path) -> Path:
    """Write ``claims.html``.

    Args:
        ledger: What :func:`reid_lit.tables.claims.ledger.ledger` gives.
        folder: Where the page goes; runs are linked from there.
    """

    def address(run: str) -> str:
        page = Path(run) / "page.html"
        return Path(os.path.relpath(page if page.is_file() else Path(run), folder)).as_posix()

    return write_page(
        folder / "claims.html", "claims.html",
        ledger=ledger, text=text, plot=plot, address=address, verdicts=VERDICTS, signs=SIGNS,
        size={"width": WIDTH, "height": HEIGHT},
    )  # fmt: skip


def plot(entry: Entry, part: Entry, line: Entry) -> dict[str, Any]:
    """Where the signs of a line's plot are, from the left, in CSS pixels; all lines of a unit share their scale.

    Args:
        entry: The claim.
        part: It on one data set.
        line: One comparison in a score there.
    """
    alike = [each for each in part["lines"] if _unit(each["metric"]) == _unit(line["metric"])]
    printed = [value for each in alike for value in _printed(entry, part, each)]
    ends = [end for each in alike for end in (each["mean"], each["low"], each["high"]) if end is not None]
    limits = [-entry["margin"], entry["margin"], entry["bound"], 0.0]
    least, most = min(*limits, *printed, *ends), max(*limits, *printed, *ends)
    wide = (most - least) or 1.0

    def along(value: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * (value - least) / wide, 1)

    margin = [along(-entry["margin"]), along(entry["margin"])] if entry["margin"] else None
    known = line["low"] is not None
    return {
        "zero": along(0.0),
        "bound": along(entry["bound"]) if entry["bound"] else None,
        "margin": margin,
        "published": [along(value) for value in _printed(entry, part, line)],
        "mean": None if line["mean"] is None else along(line["mean"]),
        "low": along(line["low"]) if known else None,
        "high": along(line["high"]) if known else None,
    }


def _unit(metric: str) -> str:
    return metric if metric in MEASURES or metric == "R" else "points"


def _printed(entry: Entry, part: Entry, line: Entry) -> list[float]:
    """The published differences of a line's comparison, of all the paper's data sets."""
    several = list(dict.fromkeys(each["comparison"] for each in part["lines"]))
    place = several.index(line["comparison"])
    found = [scores.get(line["metric"], []) for scores in entry["published"].values()]
    values = [numbers[place] for numbers in found if place < len(numbers)]
    return [value for value in values if value is not None]
