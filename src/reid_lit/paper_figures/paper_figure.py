"""What drawing a figure gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """A picture and what it shows.

    Attributes:
        figure: The picture.
        numbers: The numbers that are drawn, in JSON's types.
        lines: What is worth printing.
    """

    figure: Figure
    numbers: Mapping[str, Any]
    lines: Sequence[str] = ()
