"""How long features are."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.figures.palette import COLOURS
from reid_lit.wording import counted

Numbers = Mapping[str, Any]


def spread_of(norms: Float[Tensor, " images"], *, bins: int) -> dict[str, Any]:
    """Mean μ, standard deviation σ of all images, coefficient of variation σ/μ, ends, and a histogram.

    Source: Luo et al., TMM 2019, Fig. 11; it prints C.V. = μ/σ, and its numbers are σ/μ.

    Args:
        norms: Lengths of features.
        bins: Bars, all equally wide; fewer where there are few images.

    Raises:
        ValueError: there is no image, or every length is 0.
    """
    values = norms.double().numpy()
    if not len(values) or not values.any():
        raise InputError(
            f"{counted(len(values), 'feature')}, none longer than 0: there is nothing to draw; look whether the model"
            " collapsed"
        )
    counts, edges = np.histogram(values, min(bins, 2 * math.isqrt(len(values))))
    mean, deviation = float(values.mean()), float(values.std())
    return {
        "mean": mean,
        "deviation": deviation,
        "variation": deviation / mean,
        "least": float(values.min()),
        "most": float(values.max()),
        "edges": edges.tolist(),
        "images": counts.tolist(),
    }


def norms_figure(features: Mapping[str, Numbers], *, title: str = "") -> Figure:
    """A histogram for each feature, with μ, σ and σ/μ.

    Args:
        features: What :func:`spread_of` gives, by the feature's name (``f_t``, ``f_i``).
        title: What is shown, of what.
    """
    figure = Figure(figsize=(1 + 4.6 * len(features), 3.9), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize="medium", parse_math=False)
    grid = figure.subplots(1, len(features), squeeze=False)[0]
    for place, (axes, (name, numbers)) in enumerate(zip(grid, features.items(), strict=True)):
        _histogram(axes, numbers, name, COLOURS[place])
    return figure


def _histogram(axes: Axes, numbers: Numbers, name: str, colour: str) -> None:
    mean, deviation = numbers["mean"], numbers["deviation"]
    axes.stairs(numbers["images"], numbers["edges"], fill=True, color=colour, alpha=0.55)
    axes.axvline(mean, color="black", linewidth=1.4, label=f"μ = {mean:.4g}")
    axes.axvspan(mean - deviation, mean + deviation, color="0.9", zorder=0, linewidth=0, label=f"σ = {deviation:.4g}")
    axes.plot([], [], " ", label=f"C.V. = σ/μ = {numbers['variation']:.3f}")
    letter = name.partition("_")[2]
    axes.set(title=f"$f_{letter}$", xlabel=f"Euclidean norm of $f_{letter}$", ylabel="images")
    axes.margins(y=0.1)
    axes.legend(fontsize="small", loc="upper right")
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
