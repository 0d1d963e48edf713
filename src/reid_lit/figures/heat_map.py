"""Scores of rows by columns as a coloured table."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from reid_lit.errors import InputError


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    label: str,
    words: Sequence[Sequence[str]] | None = None,
    title: str = "",
) -> Figure:
    """A cell for each value, coloured by it and with its number.

    Args:
        rows: Names of the rows, from the top.
        columns: Names of the columns.
        values: In %, row by row; None is left white.
        label: What the colours show, with its unit.
        words: What stands in the cells; None: the values.
        title: What is shown, of what data and by which protocol.

    Raises:
        ValueError: there is no value.
    """
    grid = np.array([[np.nan if value is None else value for value in row] for row in values], dtype=float)
    if not np.isfinite(grid).any():
        raise InputError("no value to draw; run the jobs first")
    figure = Figure(figsize=(3.4 + 1.5 * len(columns), 1.6 + 0.38 * len(rows)), dpi=150, layout="constrained")
    figure.suptitle(textwrap.fill(title, 36 + 16 * len(columns)), fontsize="medium", parse_math=False)
    axes = figure.add_subplot()
    highest = max(1.0, float(np.nanmax(grid)))
    image = axes.imshow(grid, cmap="cividis", vmin=0, vmax=highest, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.set(xlabel="tested on")
    axes.spines[:].set_visible(False)
    for (line, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            text = f"{value:.1f}" if words is None else words[line][column]
            colour = "white" if value < highest / 2 else "black"
            axes.text(column, line, text, ha="center", va="center", color=colour, fontsize="small")
    figure.colorbar(image, ax=axes, label=label)
    return figure
