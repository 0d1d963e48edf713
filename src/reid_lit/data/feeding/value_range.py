"""The range of the values of images of 16 bit or of floats: of a set, and whether its images fill it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_lit.errors import InputError
from reid_lit.files.pixels import values_of
from reid_lit.records import Split

SAMPLE = 64
"""Images that are looked at, evenly over a list."""

_USED = 1 / 4
"""A smaller part of the range leaves 64 grey levels or fewer."""
_OUTSIDE = 0.1
"""More of the values beyond the range are no outliers."""
_FULL = {"integers": (0, 65535), "floats": (0, 255)}

Range = tuple[float, float]


def as_range(value_range: Any) -> Range | None:
    """A range as YAML gives it, checked.

    Raises:
        InputError: it is none.
    """
    if value_range is None:
        return None
    is_pair = isinstance(value_range, Sequence) and not isinstance(value_range, str) and len(value_range) == 2
    if not is_pair or not all(_is_number(end) for end in value_range) or value_range[0] >= value_range[1]:
        raise InputError(
            f"value_range={value_range}: give [lowest, highest] of the values, such as [0,4095] for 12 bit, or null"
        )
    return float(value_range[0]), float(value_range[1])


def _is_number(end: Any) -> bool:
    return isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end)


def with_range(split: Split, value_range: Range | None) -> Split:
    """The split with the range in every shot."""
    if value_range is None:
        return split
    return split.with_lists(lambda shots: tuple(replace(shot, value_range=value_range) for shot in shots))


def check_range(paths: Sequence[Path], value_range: Range | None) -> None:
    """Raise InputError where images of 16 bit or of floats would lose their contrast; a sample of them is looked at.

    Raises:
        InputError: they use a small part of the whole range, or lie beyond the one that is given.
    """
    if fault := range_fault(paths, value_range):
        raise InputError(fault)


def range_fault(paths: Sequence[Path], value_range: Range | None) -> str:
    """What is wrong with a range for a sample of images, see :func:`fault_of`; empty: nothing."""
    return fault_of(map(values_of, sampled(paths)), value_range)


def sampled(paths: Sequence[Path]) -> list[Path]:
    """At most :data:`SAMPLE` of the paths, evenly over all of them."""
    return [paths[place * len(paths) // SAMPLE] for place in range(SAMPLE)] if len(paths) > SAMPLE else [*paths]


def fault_of(values: Iterable[np.ndarray | None], value_range: Range | None) -> str:
    """What is wrong with a range for the values of some images, with the figures and the cure; empty: nothing.

    Args:
        values: Of each image; None for an image of 8 bit, which has no range.
        value_range: The range; None: that of the file.
    """
    found: dict[str, list[tuple[float, float, float]]] = {}
    for each in values:
        if each is not None and np.isfinite(each).any():
            finite = each[np.isfinite(each)]
            outside = 0.0 if value_range is None else ((finite < value_range[0]) | (finite > value_range[1])).mean()
            kind = "floats" if finite.dtype.kind == "f" else "integers"
            found.setdefault(kind, []).append((float(finite.min()), float(finite.max()), float(outside)))
    faults = (_fault(kind, np.asarray(ends), value_range) for kind, ends in found.items())
    return next(filter(None, faults), "")


def _fault(kind: str, ends: np.ndarray, value_range: Range | None) -> str:
    low, high, outside = ends[:, 0].min(), ends[:, 1].max(), ends[:, 2].mean()
    sort = "16 bit" if kind == "integers" else "floats"
    what = f"images of {sort} hold values from {_text(low)} to {_text(high)}"
    if value_range is not None:
        if outside <= _OUTSIDE:
            return ""
        return (
            f"value_range=[{_text(value_range[0])}, {_text(value_range[1])}]: {what}, {outside:.0%} of them outside;"
            f" give {_proposed(low, high)}"
        )
    first, last = _FULL[kind]
    if high - low > (last - first) * _USED and (kind == "integers" or high <= 2 * last):
        return ""
    levels = int((min(high, last) - min(low, last)) * 255 // (last - first)) + 1
    return (
        f"value_range=null: {what}, which leaves {levels} of 256 grey levels; give {_proposed(low, high)}, or"
        f" [{first},{last}] where that is meant"
    )


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.4g}"


def _proposed(low: float, high: float) -> str:
    """The range of a usual number of bits where the values fill a quarter of it, else their own."""
    top = 1 if low >= 0 and high <= 1 else 2 ** max(8, math.ceil(math.log2(max(high, 1) + 1))) - 1
    if low >= 0 and high - low > top * _USED:
        return f"[0,{top}]"
    return f"[{math.floor(low)},{math.ceil(high)}]"
