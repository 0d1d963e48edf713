"""The spread of some numbers: least, middle, mean and greatest."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, middle, mean and greatest of some numbers."""

    minimum: float
    median: float
    mean: float
    maximum: float

    def __str__(self) -> str:
        return f"{self.minimum:g} | {self.median:g} | {self.mean:.1f} | {self.maximum:g}"


def spread(values: Iterable[int]) -> Spread | None:
    """The spread of some numbers; None of none.

    >>> print(spread([1, 2, 2, 7]))
    1 | 2 | 3.0 | 7
    """
    numbers = [float(value) for value in values]
    return Spread(min(numbers), median(numbers), fmean(numbers), max(numbers)) if numbers else None
