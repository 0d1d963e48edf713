"""Curves in panels side by side, which share their legend."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reid_lit.errors import InputError
from reid_lit.figures.palette import COLOURS, STYLES
from reid_lit.wording import counted

Scale = Literal["linear", "log"]
Values = Sequence[float] | Sequence[int]
Points = tuple[Values, Values]
"""Of a curve, along x and along y."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Curves that share their axes.

    Attributes:
        x: What is on the x axis, which counts.
        y: What is on the y axis, with its unit.
        curves: The curves by name.
        scale: Of the y axis.
        smooth: Points over which the mean is drawn, the points themselves being pale; 1, or fewer than
            three times as many points, draws just the points.
        steps: Whether a value holds halfway to its neighbours.
        percent: Whether values are shares, to be read in %.
        limit: A value that is marked across the panel, as ``limit`` in its corner; None: none.
    """

    x: str
    y: str
    curves: Mapping[str, Points]
    scale: Scale = "linear"
    smooth: int = 1
    steps: bool = False
    percent: bool = False
    limit: float | None = None


def series_figure(panels: Sequence[Panel], *, title: str = "", columns: int | None = None) -> Figure:
    """The panels side by side, under a title, with a legend below.

    Args:
        panels: Curves of one name look alike in all of them.
        title: What is shown, of what.
        columns: Panels of a row; None: all in one.

    Raises:
        ValueError: there is no panel, or one without a curve.
    """
    if not panels or not all(panel.curves for panel in panels):
        empty = ", ".join(panel.y for panel in panels if not panel.curves) or counted(len(panels), "panel")
        raise InputError(f"no curve to draw in {empty}; give one or more")
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1.6 + 4.4 * columns, 1.2 + 3 * rows), dpi=150, layout="constrained")
    figure.suptitle(textwrap.fill(title, 56 * columns), fontsize="medium", parse_math=False)
    places = {
        name: place for place, name in enumerate(dict.fromkeys(name for panel in panels for name in panel.curves))
    }
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, panel in zip(grid, panels, strict=False):
        _draw(axes, panel, places)
    for axes in grid[len(panels) :]:
        axes.remove()
    drawn = [axes.get_legend_handles_labels() for axes in figure.axes]
    legend = {name: handle for handles, names in drawn for handle, name in zip(handles, names, strict=True)}
    shown = max(1, round(60 * columns / (6 + max(map(len, legend)))))
    handles, names = list(legend.values()), list(legend)
    figure.legend(handles, names, loc="outside lower center", ncols=shown, frameon=False, fontsize="small")
    return figure


def _draw(axes: Axes, panel: Panel, places: Mapping[str, int]) -> None:
    """A panel, its curves in the looks that belong to their names' places."""
    for name, (along, values) in panel.curves.items():
        place = places[name]
        colour, style = COLOURS[place % len(COLOURS)], STYLES[place % len(STYLES)]
        smoothed = panel.smooth > 1 and len(values) >= 3 * panel.smooth
        if smoothed:
            axes.plot(along, values, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(
            along,
            running_mean(values, panel.smooth) if smoothed else values,
            color=colour,
            linestyle=style,
            linewidth=1.8,
            label=name,
            marker="." if len(values) < 30 and not panel.steps else "",
            drawstyle="steps-mid" if panel.steps else "default",
        )
    if panel.limit is not None:
        axes.axhline(panel.limit, color="black", linewidth=1, linestyle=(0, (1, 1)))
        axes.annotate(f"limit {panel.limit:g}", (0.99, panel.limit), xycoords=("axes fraction", "data"),
                      ha="right", va="bottom", fontsize="small")  # fmt: skip
    axes.set(xlabel=panel.x, ylabel=panel.y, yscale=panel.scale)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def running_mean(values: Values, window: int) -> list[float]:
    """The mean of the ``window`` values around each one, of fewer at the ends.

    >>> running_mean([0, 3, 6, 0], 3)
    [1.5, 3.0, 3.0, 3.0]
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    start, end = np.maximum(place - (window - 1) // 2, 0), np.minimum(place + window // 2 + 1, len(values))
    return ((total[end] - total[start]) / (end - start)).tolist()
