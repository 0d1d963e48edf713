"""The same images in several states, a row for each state."""

from collections.abc import Mapping

from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.wording import counted


def pairs_figure(rows: Mapping[str, Float[Tensor, "b 3 h w"]], *, title: str = "") -> Figure:
    """A grid whose rows are states and whose columns are images.

    Args:
        rows: The images in [0, 1], by the name of their state.
        title: What is shown, of what.

    Raises:
        ValueError: there is no image.
    """
    if not rows or not all(len(images) for images in rows.values()):
        empty = ", ".join(name for name, images in rows.items() if not len(images)) or counted(len(rows), "row")
        raise InputError(f"no image to draw in {empty}; give one or more")
    _, _, height, width = next(iter(rows.values())).shape
    columns = max(len(images) for images in rows.values())
    wide = 1.5
    size = (columns * wide + 0.4, len(rows) * wide * height / width + 0.5)
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    figure.suptitle(title, fontsize="medium", parse_math=False)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        line[0].set_ylabel(name, fontsize="large")
        for axes, image in zip(line, images, strict=False):
            axes.imshow(image.permute(1, 2, 0).numpy(), vmin=0, vmax=1)
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    return figure
