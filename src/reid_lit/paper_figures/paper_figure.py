"""A drawn figure with its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """A picture and the numbers that it shows.

    Attributes:
        figure: The picture.
        numbers: The numbers that are drawn, in JSON's types.
        lines: To be printed.
    """

    figure: Figure
    numbers: Mapping[str, Any]
    lines: Sequence[str] = ()
