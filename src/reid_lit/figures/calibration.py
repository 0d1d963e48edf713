"""How far probabilities are what they say, and the two rates of error over each other."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from scipy.stats import norm

from reid_lit.figures.palette import COLOURS
from reid_lit.kinds import said

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
    axes.plot(predicted, seen, color=COLOURS[0], marker="o", label=said("persons left out"))
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel=said("pairs that show one person"))
    axes.set_title(title, fontsize="small", parse_math=False)
    axes.legend(frameon=False, fontsize="small")
    below.bar(predicted, share, width=0.04, color=COLOURS[0])
    below.set(xlabel="P(same | score)", ylabel="share")
    for part in (axes, below):
        part.grid(alpha=0.3)
        part.spines[["top", "right"]].set_visible(False)
    return figure


def det_curve(
    rates: Sequence[tuple[float, float]],
    *,
    title: str,
    names: tuple[str, str] = ("false match rate", "false non-match rate"),
) -> Figure:
    """False non-matches over false matches, on axes that make normal scores straight lines.

    Source: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.

    Args:
        rates: False match rate and false non-match rate of each threshold; those of 0 or 1 are left out.
        title: Stands above.
        names: What the two rates are called.
    """
    figure = Figure(figsize=(5.6, 4.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    points = [(x, y) for x, y in rates if 0 < x < 1 and 0 < y < 1]
    axes.plot(*(norm.ppf(points).T if points else [[], []]), color=COLOURS[0])
    least = min([0.5, *(rate for point in points for rate in point)])
    ticks = [rate for rate in _RATES if rate >= least / 3]
    ends = norm.ppf(ticks[0]) - 0.2, norm.ppf(ticks[-1]) + 0.2
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(norm.ppf(ticks), [f"{100 * rate:g} %" for rate in ticks])
    axes.tick_params(labelsize="small")
    axes.set(xlabel=names[0], ylabel=names[1], xlim=ends, ylim=ends)
    axes.set_title(title, fontsize="medium", parse_math=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
