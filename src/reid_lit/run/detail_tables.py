"""Printed tables of what a run measured in addition to CMC and mAP."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.table import Table

from reid_lit.evaluation.catalogue import LEVEL, find, label

Row = dict[str, Any]

HARDEST = 10
"""Pairs of cameras, or of views, that are printed; ``metrics.json`` has all."""

PAIR_SCORES = ("rank1", "mAP")
"""What is measured of a pair of cameras, or of views."""

NOTHING = "–"


def detail_tables(results: Sequence[Row]) -> list[Table]:
    """Operating points with their thresholds, intervals, pairs of cameras and of views; a table for each.

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
    intervals = [
        _intervals(results, over, ends_of)
        for over, ends_of in (("queries", _over_queries), ("random galleries", _over_galleries))
    ]
    tables = [
        points,
        *intervals,
        *map(_camera_pairs, results),
        *map(_view_pairs, results),
        *map(_reassociation, results),
    ]
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
    kinds = (("roc", "fpr", "tpr"), ("open_set", "far", "dir"), ("identification", "fpir", "fnir"))
    details = result.get("details", {})
    thresholds = {"eer": details.get("roc", {}).get("eer")}
    for kind, false, true in kinds:
        thresholds |= {f"{true}@{false}={one[false]:g}": one for one in details.get(kind, {}).get("points", ())}
    thresholds |= {f"fnmr@fmr={one['fpr']:g}": one for one in details.get("roc", {}).get("points", ()) if one["tpr"]}
    measured = [key for key in result["scores"] if (metric := find(key)) and metric.table == "points"]
    for key in dict.fromkeys((*measured, *(key for key, point in thresholds.items() if point))):
        point = thresholds.get(key) or {}
        threshold = point.get("threshold")
        why = point.get("reason", NOTHING)
        yield label(key), cell(result, key), why if threshold is None else f"{threshold:.4g}"


def intervals_of(result: Row) -> dict[str, tuple[float, float]]:
    """The interval of each score that has one."""
    return {key: (ends[0], ends[1]) for key, ends in (_over_queries(result) | _over_galleries(result)).items()}


def _over_queries(result: Row) -> dict[str, Sequence[float]]:
    return result.get("details", {}).get("bootstrap", {}).get("intervals", {})


def _over_galleries(result: Row) -> dict[str, Sequence[float]]:
    points = result.get("details", {}).get("identification", {}).get("points", ())
    return {f"fnir@fpir={one['fpir']:g}": (one["low"], one["high"]) for one in points if one["fnir"] is not None}


def _intervals(results: Sequence[Row], over: str, ends_of: Callable[[Row], dict[str, Sequence[float]]]) -> Table:
    measured = [(result, ends) for result in results if (ends := ends_of(result))]
    names = list(dict.fromkeys(name for _, ends in measured for name in ends))
    table = _table(f"{LEVEL:.0%} intervals over {over}, in %", ("data set", *map(label, names)), words=1)
    for result, ends in measured:
        cells = (
            f"{100 * ends[name][0]:.1f} to {100 * ends[name][1]:.1f}" if name in ends else NOTHING for name in names
        )
        table.add_row(result["dataset"], *cells)
    return table


def _reassociation(result: Row) -> Table:
    columns = ("seconds between tracks", "queries", "MRR", "rank-1", "AUC", "pairs, same", "pairs, different")
    table = _table(f"{result['dataset']}: re-association by time gap, in %", columns, words=1)
    for each in result.get("details", {}).get("reassociation", ()):
        gap = f"{each['from']:g} and more" if each["to"] is None else f"{each['from']:g} to below {each['to']:g}"
        shares = (each[key] for key in ("mrr", "rank1", "auc"))
        cells = (NOTHING if share is None else f"{100 * share:.2f}" for share in shares)
        table.add_row(gap, str(each["queries"]), *cells, f"{each['same']:,}", f"{each['different']:,}")
    return table


def _camera_pairs(result: Row) -> Table:
    return _pairs(result["dataset"], result.get("details", {}).get("camera_pairs", ()), "camera")


def _view_pairs(result: Row) -> Table:
    """The scores among images of the same view and of other views, then the hardest pairs."""
    views = result.get("details", {}).get("view_pairs", {})
    table = _pairs(result["dataset"], views.get("pairs", ()), "view")
    table.add_section()
    for name, gallery in (("same", "the query's own"), ("other", "all others")):
        if name in views:
            table.add_row("all", gallery, *_pair_cells(views[name]))
    return table


def _pairs(dataset: str, pairs: Sequence[Row], of: str) -> Table:
    hardest = sorted(pairs, key=lambda pair: pair["mAP"])[:HARDEST]
    table = _table(
        f"{dataset}: hardest {len(hardest)} of {len(pairs)} {of} pairs",
        ("query", "gallery", "queries", *map(label, PAIR_SCORES)),
    )
    for pair in hardest:
        table.add_row(pair["query"], pair["gallery"], *_pair_cells(pair))
    return table


def _pair_cells(pair: Row) -> tuple[str, ...]:
    return str(pair["queries"]), *(f"{100 * pair[key]:.2f}" for key in PAIR_SCORES)
