"""CMC curves of models, and the curves of one training."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.figures.learning_log import PANELS, kind_of, read_columns
from reid_lit.figures.palette import COLOURS, STYLES


def cmc_curve(first_matches: Mapping[str, Int[Tensor, " counted"]], *, ranks: int = 50, title: str = "") -> Figure:
    """The share of queries whose first true match is among the k nearest, over k.

    Args:
        first_matches: Ranks of the first true match of each query that has one, by the model's name.
        ranks: The last k.
        title: Data set and protocol, for instance.

    Raises:
        ValueError: no model, or one whose queries have no match.
    """
    if not first_matches:
        raise InputError("no scores to draw; give one model or more")
    figure = Figure(figsize=(6, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for place, (name, first) in enumerate(first_matches.items()):
        if not len(first):
            raise InputError(f"no query of {name!r} has a match; see evaluation.camera_rule")
        curve = [float((first <= rank).double().mean()) for rank in range(1, ranks + 1)]
        label = f"{name}: rank-1 {curve[0]:.1%}"
        axes.plot(range(1, ranks + 1), curve, label=label, drawstyle="steps-post", **_look(place))
    axes.set(xlabel="rank k", ylabel="queries with a match in the first k", xlim=(1, ranks))
    axes.set_title(textwrap.fill(title, 70), fontsize="medium", parse_math=False)
    axes.yaxis.set_major_formatter("{x:.0%}")
    _finish(axes, place="lower right")
    return figure


def learning_curves(metrics: Path, *, title: str = "") -> Figure:
    """Losses, learning rates and validation scores over the steps, from a CSV logger's ``metrics.csv``.

    Args:
        metrics: The file; a column ``train/…`` is a loss (but accuracy), one of ``lr…`` a learning rate, one of
            ``val/…`` a validation score. Empty cells are left out. The x axis is ``step``, which every row has.
        title: Name of the run, for instance.

    Raises:
        ValueError: the file has no such column.
    """
    along, columns = read_columns(metrics)
    kinds = {name: kind for name in columns if (kind := kind_of(name))}
    if not kinds:
        raise InputError(f"no train/, lr or val/ column in {metrics.resolve()}, only {', '.join(columns)}")
    shown = [kind for kind in PANELS if kind in kinds.values()]
    figure = Figure(figsize=(4.8 * len(shown), 3.8), dpi=150, layout="constrained")
    figure.suptitle(title, parse_math=False)
    for axes, kind in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for place, name in enumerate(name for name in columns if kinds.get(name) == kind):
            points = columns[name]
            axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 3 else "", **_look(place))
        axes.set(title=PANELS[kind], xlabel=along)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes)
    return figure


def _look(place: int) -> dict[str, Any]:
    """Colour and dashes of the curve at ``place``."""
    return {"color": COLOURS[place % len(COLOURS)], "linestyle": STYLES[place % len(STYLES)]}


def _finish(axes: Axes, *, place: Literal["best", "lower right"] = "best") -> None:
    """What all axes have in common."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", frameon=False, loc=place)
