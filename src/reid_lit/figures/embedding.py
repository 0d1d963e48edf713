"""Features of two dimensions as points, a colour and a sign for each class."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.wording import counted

COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
"""Ten colours that the colour-blind tell apart (Petroff, "Accessible Color Sequences for Data Visualization", 2021)."""

SIGNS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "*")
"""Say the same as the colours."""


def features_figure(
    panels: Mapping[str, Float[Tensor, "n 2"]], label: Int64[Tensor, " n"], *, title: str = "", columns: int = 4
) -> Figure:
    """A panel for each network: points, the unit circle, and a ray at the mean angle of each class.

    Args:
        panels: The features, by title.
        label: The classes of the points, at most ten.
        title: What is shown, of what.
        columns: Panels in a row.

    Raises:
        ValueError: there is no panel, or there are more than ten classes.
    """
    classes = label.unique().tolist()
    if not panels or len(classes) > len(COLOURS):
        raise InputError(
            f"{counted(len(panels), 'panel')} of {counted(len(classes), 'class', 'classes')}: give one panel or more,"
            f" of up to {len(COLOURS)} classes"
        )
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.2 * min(columns, len(panels)), 3.4 * rows + 0.7), dpi=140, layout="constrained")
    figure.suptitle(title, parse_math=False)
    grid = figure.subplots(rows, min(columns, len(panels)), squeeze=False).flatten()
    for axes, (name, points) in zip(grid, panels.items(), strict=False):
        _draw(axes, points, label, classes)
        axes.set_title(name, fontsize="medium")
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False, markerscale=2.2)
    return figure


def _draw(axes: Axes, points: Float[Tensor, "n 2"], label: Int64[Tensor, " n"], classes: list[int]) -> None:
    reach = 1.08 * float(points.abs().max())
    axes.axhline(0, color="0.75", linewidth=0.6, zorder=0)
    axes.axvline(0, color="0.75", linewidth=0.6, zorder=0)
    for place, number in enumerate(classes):
        members = points[label == number]
        direction = torch.nn.functional.normalize(members, dim=1).mean(0)
        ray = 2 * reach * direction / direction.norm().clamp_min(1e-12)
        axes.plot([0, float(ray[0])], [0, float(ray[1])], color=COLOURS[place], linewidth=0.7, alpha=0.7, zorder=1)
        look = {"color": COLOURS[place], "marker": SIGNS[place], "s": 12, "linewidths": 0, "alpha": 0.75}
        axes.scatter(members[:, 0].numpy(), members[:, 1].numpy(), label=str(number), **look)  # type: ignore[arg-type]
    axes.add_patch(Circle((0, 0), 1, fill=False, linestyle="--", linewidth=0.9, color="black", zorder=3))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="first dimension", ylabel="second dimension")
    axes.set_aspect("equal")
    axes.tick_params(labelsize="small")
