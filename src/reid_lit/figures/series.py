"""Curves in panels beside each other, which share their legend."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reid_lit.figures.curves import COLOURS, STYLES

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
    """

    x: str
    y: str
    curves: Mapping[str, Points]
    scale: Scale = "linear"
    smooth: int = 1
    steps: bool = False
    percent: bool = False


def series_figure(panels: Sequence[Panel], *, title: str = "") -> Figure:
    """The panels beside each other, under a title, with a legend below.

    Args:
        panels: All with curves of the same names.
        title: What is shown, of what.

    Raises:
        ValueError: there is no panel, or one without a curve.
    """
    if not panels or not all(panel.curves for panel in panels):
        raise ValueError("no curve to draw; give one or more")
    figure = Figure(figsize=(1.6 + 4.4 * len(panels), 4.2), dpi=150, layout="constrained")
    figure.suptitle(textwrap.fill(title, 56 * len(panels)), fontsize="medium")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel)
    handles, names = figure.axes[0].get_legend_handles_labels()
    columns = max(1, round(60 * len(panels) / (6 + max(map(len, names)))))
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    for place, (name, (along, values)) in enumerate(panel.curves.items()):
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
