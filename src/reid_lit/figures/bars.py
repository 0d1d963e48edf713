"""Scores as bars, and published scores next to ours."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reid_lit.errors import InputError
from reid_lit.figures.palette import COLOURS, HATCHES
from reid_lit.wording import counted


@dataclass(frozen=True, slots=True)
class Score:
    """A score in %.

    Attributes:
        value: The score, or the mean over runs.
        deviation: Over runs; None with a single one.
    """

    value: float
    deviation: float | None = None


def bars_figure(scores: Mapping[str, Mapping[str, Score]], *, title: str = "") -> Figure:
    """A group of bars for each row, a bar for each metric, with its number above.

    Args:
        scores: By row, then by metric.
        title: What was measured, on what, and how.

    Raises:
        ValueError: there is no row.
    """
    if not scores:
        raise InputError(f"no scores to draw in {counted(len(scores), 'row')}; give a run or more")
    metrics = list(dict.fromkeys(metric for row in scores.values() for metric in row))
    figure = Figure(figsize=(max(5.5, 1.6 + 1.3 * len(scores)), 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    width, positions = 0.8 / len(metrics), np.arange(len(scores))
    for place, metric in enumerate(metrics):
        left = positions - 0.4 + width * (place + 0.5)
        column = [row.get(metric, Score(float("nan"))) for row in scores.values()]
        heights = [score.value for score in column]
        errors = [score.deviation or 0.0 for score in column] if any(score.deviation for score in column) else None
        look = {"color": COLOURS[place], "hatch": HATCHES[place], "edgecolor": "white", "linewidth": 0}
        shown = axes.bar(left, heights, width, label=metric, yerr=errors, capsize=3, **look)  # type: ignore[arg-type]
        axes.bar_label(
            shown, ["" if math.isnan(height) else f"{height:.1f}" for height in heights], padding=2, fontsize="small"
        )
    axes.set_xticks(positions, [textwrap.fill(name, 14) for name in scores], fontsize="small")
    axes.set(ylabel="score in %", ylim=(0, 105))
    axes.set_title(textwrap.fill(title, max(60, 13 * len(scores))), fontsize="medium", parse_math=False)
    axes.legend(frameon=False, ncols=len(metrics), loc="upper left", bbox_to_anchor=(0, -0.14), fontsize="small")
    _finish(axes)
    return figure


def published_figure(
    panels: Mapping[str, Mapping[str, tuple[Score | None, Score | None]]], *, ours: str, title: str = ""
) -> Figure:
    """Published scores as hollow rings and ours as filled marks with whiskers, a line for each row.

    Args:
        panels: By panel (a metric on a data set), then by row: the published score and ours.
        ours: What our marks are.
        title: What the table is, and how ours was measured.

    Raises:
        ValueError: there is no panel, or one without a row.
    """
    if not panels or not all(panels.values()):
        empty = ", ".join(name for name, rows in panels.items() if not rows) or counted(len(panels), "panel")
        raise InputError(f"no scores to draw in {empty}; run the table first")
    rows = list(next(iter(panels.values())))
    size = (2.4 + 3.1 * len(panels), 1.8 + 0.34 * len(rows))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    figure.suptitle(textwrap.fill(title, round(13 * size[0])), fontsize="medium", parse_math=False)
    for axes, (name, scores) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _points(axes, [scores[row] for row in rows], ours)
        axes.set_title(name, fontsize="medium")
        axes.set(xlabel="score in %", ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(range(len(rows)), [textwrap.shorten(row, 34) for row in rows], fontsize="small")
        if axes is not figure.axes[0]:
            axes.set_yticklabels([])
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        marks, names = axes.get_legend_handles_labels()
        handles.update(zip(names, marks, strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _points(axes: Axes, scores: Sequence[tuple[Score | None, Score | None]], ours: str) -> None:
    """Marks of two shapes and colours; a line joins those of a row."""
    for place, (published, measured) in enumerate(scores):
        if published and measured:
            axes.plot([published.value, measured.value], [place, place], color="0.7", linewidth=1.2, zorder=1)
    rings = [(score.value, place) for place, (score, _) in enumerate(scores) if score]
    if rings:
        look = {"facecolors": "none", "edgecolors": COLOURS[0], "linewidths": 1.6, "s": 80}
        axes.scatter(*zip(*rings, strict=True), marker="o", label="published", zorder=4, **look)  # type: ignore[arg-type]
    marks = [(score, place) for place, (_, score) in enumerate(scores) if score]
    if marks:
        axes.errorbar(
            [score.value for score, _ in marks],
            [place for _, place in marks],
            xerr=[score.deviation or 0.0 for score, _ in marks],
            color=COLOURS[1],
            marker="D",
            linestyle="",
            markersize=5,
            capsize=3,
            label=ours,
            zorder=3,
        )
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
