"""Plots of pages, as the data and layout that Plotly draws in the browser."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.figures.learning_log import PANELS, kind_of, read_columns
from reid_lit.figures.palette import COLOURS

Chart = dict[str, Any]

DASHES = ("solid", "dash", "dashdot", "dot")
SYMBOLS = ("circle", "square", "triangle-up", "star", "cross", "hexagon")


def learning_charts(metrics: Path) -> list[Chart]:
    """Losses, learning rates and validation scores over the steps of a training; none where no step was logged.

    Args:
        metrics: A CSV logger's ``metrics.csv``.
    """
    if not metrics.is_file():
        return []
    along, columns = read_columns(metrics)
    charts = []
    for kind, title in PANELS.items():
        names = [name for name in columns if kind_of(name) == kind]
        if names:
            lines = [_line(name, columns[name], place) for place, name in enumerate(names)]
            charts.append(_chart(lines, title, along))
    return charts


def cmc_chart(firsts: Mapping[str, Sequence[int]], ranks: int = 50) -> Chart | None:
    """The share of queries whose first true match is among the k nearest, over k; None without a query that has one.

    Args:
        firsts: Ranks of the first true match of each query that has one, by data set.
        ranks: The last k.
    """
    matched = {name: numbers for name, numbers in firsts.items() if numbers}
    lines = [_line(name, _cmc(numbers, ranks), place) for place, (name, numbers) in enumerate(matched.items())]
    return _chart(lines, "CMC: queries with a match in the first k, in %", "rank k") if lines else None


def _cmc(firsts: Sequence[int], ranks: int) -> list[tuple[int | float, float]]:
    """Rank and the share of queries, in %, whose first true match is there or before."""
    return [(rank, 100 * sum(first <= rank for first in firsts) / len(firsts)) for rank in range(1, ranks + 1)]


def _line(name: str, points: Sequence[tuple[int | float, float]], place: int) -> Chart:
    x, y = zip(*points, strict=True)
    look = {"color": COLOURS[place % len(COLOURS)], "dash": DASHES[place % len(DASHES)]}
    return {"name": name, "x": x, "y": y, "mode": "lines+markers" if len(x) < 8 else "lines", "line": look}


def _chart(data: list[Chart], title: str, along: str, **layout: Any) -> Chart:
    bottom = {"title": {"text": along, "standoff": 6}, "gridcolor": "#e4e4e4", "zeroline": False}
    side = {"gridcolor": "#e4e4e4", "zeroline": False, "automargin": True}
    legend = {"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top"}
    return {
        "title": title,
        "data": data,
        "layout": {"xaxis": bottom, "yaxis": side, "legend": legend, "showlegend": True} | layout,
    }


def published_charts(report: Mapping[str, Any]) -> list[Chart]:
    """A plot for each metric of a table: published next to ours, rows from top to bottom.

    Cells measured on other data than the paper's have another sign and another name.

    Args:
        report: What ``report.json`` holds.
    """
    names = [row["name"] for row in report["rows"]]
    charts = []
    for metric in report["metrics"]:
        data = list(_points(report, metric))
        if data:
            chart = _chart(data, metric, report["unit"], height=150 + 30 * len(names))
            chart["layout"]["yaxis"] |= {"categoryorder": "array", "categoryarray": names[::-1]}
            chart["layout"]["legend"]["y"] = -40 / (50 + 30 * len(names))
            charts.append(chart)
    return charts


def _points(report: Mapping[str, Any], metric: str) -> Iterator[Chart]:
    """The points of one metric: published, ours, ours on other data, for each label."""
    labels = list(dict.fromkeys(label for row in report["rows"] for label in row["cells"]))
    for place, label in enumerate(labels):
        cells = [(row["name"], row["cells"].get(label, {})) for row in report["rows"]]
        published = [(cell["published"][metric], name) for name, cell in cells if metric in cell.get("published", {})]
        yield from _marks(f"{label}, published", published, place, opened=True)
        for same, name in ((True, f"{label}, ours"), (False, f"{label}, ours on other data: not a reproduction")):
            ours = [
                (cell["ours"][metric]["mean"], row, cell["ours"][metric].get("sd"))
                for row, cell in cells
                if metric in cell.get("ours", {}) and bool(cell.get("reproduction")) == same
            ]
            yield from _marks(name, ours, place, opened=False, symbol=None if same else "x")


def _marks(
    name: str, points: Sequence[tuple[Any, ...]], place: int, *, opened: bool, symbol: str | None = None
) -> Iterator[Chart]:
    """Points of one kind; nothing where there is none."""
    if not points:
        return
    x, y, *spread = zip(*points, strict=True)
    shape = (symbol or SYMBOLS[place % len(SYMBOLS)]) + ("-open" if opened else "")
    marker = {"symbol": shape, "size": 11, "color": COLOURS[place % len(COLOURS)], "line": {"width": 2}}
    chart: Chart = {"name": name, "x": x, "y": y, "mode": "markers", "marker": marker}
    if spread and any(spread[0]):
        chart["error_x"] = {"type": "data", "array": [value or 0 for value in spread[0]], "color": marker["color"]}
    yield chart
