"""How far probabilities are what they say, and the two rates of error over each other."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from scipy.stats import norm

from reid_lit.figures.palette import COLOURS

_RATES = (1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.9)


def reliability_diagram(levels: Sequence[tuple[float, float, float]], *, title: str) -> Figure:
    """The share of pairs that show one person over the probability that was said, and how often it was said.

    Args:
        levels: Mean probability, share of pairs of one person, and share of all pairs, of each bin.
        title: Stands above.
    """
    figure = Figure(figsize=(4.6, 5), dpi=150, layout="constrained")
    axes, below = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    predicted, seen, share = zip(*levels, strict=True)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as said")
    axes.plot(predicted, seen, color=COLOURS[0], marker="o", label="persons left out")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="pairs that show one person")
    axes.set_title(title, fontsize="small", parse_math=False)
    axes.legend(frameon=False, fontsize="small")
    below.bar(predicted, share, width=0.04, color=COLOURS[0])
    below.set(xlabel="P(same | score)", ylabel="share")
    for part in (axes, below):
        part.grid(alpha=0.3)
        part.spines[["top", "right"]].set_visible(False)
    return figure


def det_curve(
    curves: Sequence[tuple[str, Sequence[float], Sequence[float]]], *, xlabel: str, ylabel: str, title: str
) -> Figure:
    """Two rates of error over each other, on axes that make normal scores straight lines.

    Source: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.

    Args:
        curves: Name, rates along the x axis and along the y axis, in (0, 1); other rates are left out.
        xlabel: Name of the rates along the x axis.
        ylabel: Along the y axis.
        title: Stands above.
    """
    figure = Figure(figsize=(5.6, 4.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    least = 0.5
    for place, (name, across, up) in enumerate(curves):
        points = [(x, y) for x, y in zip(across, up, strict=True) if 0 < x < 1 and 0 < y < 1]
        least = min([least, *(rate for point in points for rate in point)])
        coordinates = norm.ppf(points).T if points else [[], []]
        axes.plot(*coordinates, color=COLOURS[place % len(COLOURS)], label=name)
    rates = [rate for rate in _RATES if rate >= least / 3]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(norm.ppf(rates), [f"{100 * rate:g} %" for rate in rates])
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_xlim(norm.ppf(rates[0]) - 0.2, norm.ppf(rates[-1]) + 0.2)
    axes.set_ylim(norm.ppf(rates[0]) - 0.2, norm.ppf(rates[-1]) + 0.2)
    axes.set_title(title, fontsize="medium", parse_math=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize="small")
    return figure
