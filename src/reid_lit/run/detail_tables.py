"""Printed tables of what a run measured in addition to CMC and mAP."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from reid_lit.evaluation.catalogue import find, label

Row = dict[str, Any]

HARDEST = 10
"""Pairs of cameras that are printed; ``metrics.json`` has all."""

PAIR_SCORES = ("rank1", "mAP")
"""What is measured of a pair of cameras."""

NOTHING = "–"


def detail_tables(results: Sequence[Row]) -> list[Table]:
    """Operating points with their thresholds, intervals, and pairs of cameras; a table for each that was measured.

    Args:
        results: Rows of results; one that averages over splits has scores but no details.
    """
    points = _table("Operating points: accepted up to the threshold", ("data set", "measure", "%", "threshold"))
    points.columns[-1].no_wrap = False  # a reason may be long
    for result in results:
        for line in _points(result):
            points.add_row(result["dataset"], *line)
    how = dict.fromkeys(result.get("details", {}).get("apply", {}).get("how", "") for result in results)
    points.caption = "\n".join(filter(None, how)) or None
    tables = [points, _intervals(results), *(_camera_pairs(result) for result in results)]
    return [table for table in tables if table.row_count]


def cell(result: Row, key: str) -> str:
    """A score in %, with its deviation over splits where there are several; a dash where it was not measured."""
    if key not in result["scores"]:
        return NOTHING
    score = 100 * result["scores"][key]
    return f"{score:.1f}±{100 * result['deviations'][key]:.1f}" if "deviations" in result else f"{score:.2f}"


def _table(title: str, columns: Sequence[str], words: int = 2) -> Table:
    """A table whose first columns are words, the others numbers."""
    table = Table(title=title)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < words else "right", no_wrap=True)
    return table


def _points(result: Row) -> Iterator[tuple[str, str, str]]:
    """Name, share and threshold of every operating point of a result; in place of the threshold, why there is none."""
    kinds = (("roc", "fpr", "tpr"), ("open_set", "far", "dir"))
    details = result.get("details", {})
    thresholds = {"eer": details.get("roc", {}).get("eer")}
    for kind, false, true in kinds:
        thresholds |= {f"{true}@{false}={one[false]:g}": one for one in details.get(kind, {}).get("points", ())}
    measured = [key for key in result["scores"] if (metric := find(key)) and metric.table == "points"]
    for key in dict.fromkeys((*measured, *(key for key, point in thresholds.items() if point))):
        point = thresholds.get(key) or {}
        threshold = point.get("threshold")
        why = point.get("reason", NOTHING)
        yield label(key), cell(result, key), why if threshold is None else f"{threshold:.4g}"


def _intervals(results: Sequence[Row]) -> Table:
    details = [(result, result.get("details", {}).get("bootstrap")) for result in results]
    measured = [(result, part) for result, part in details if part]
    names = list(dict.fromkeys(name for _, part in measured for name in part["intervals"]))
    level = measured[0][1]["level"] if measured else 0
    title = f"{level:.0%} intervals over queries, in %"
    table = _table(title, ("data set", *map(label, names)), words=1)
    for result, part in measured:
        ends = (part["intervals"].get(name) for name in names)
        cells = (f"{100 * pair[0]:.1f} to {100 * pair[1]:.1f}" if pair else NOTHING for pair in ends)
        table.add_row(result["dataset"], *cells)
    return table


def _camera_pairs(result: Row) -> Table:
    pairs = sorted(result.get("details", {}).get("camera_pairs", ()), key=lambda pair: pair["mAP"])
    shown = pairs[:HARDEST]
    table = _table(
        f"{result['dataset']}: hardest {len(shown)} of {len(pairs)} camera pairs",
        ("query", "gallery", "queries", *map(label, PAIR_SCORES)),
    )
    for pair in shown:
        scores = (f"{100 * pair[key]:.2f}" for key in PAIR_SCORES)
        table.add_row(pair["query"], pair["gallery"], str(pair["queries"]), *scores)
    return table
