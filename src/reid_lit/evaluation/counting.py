"""How many values of a row lie before given ones, without ranking the row."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

PAIRS = 512
"""Tied pairs looked at together; each costs one row of the distance matrix."""


def count_before(
    values: Float[Tensor, "rows columns"],
    thresholds: Float[Tensor, "rows matches"],
    place: Int[Tensor, "rows matches"],
    wanted: Bool[Tensor, "rows matches"],
) -> tuple[Int[Tensor, "rows matches"], Int[Tensor, "rows matches"]]:
    """For each threshold, the values of its row that rank before it, and those that are not greater.

    A value ranks before a threshold when it is smaller, or equal and in a column before the threshold's ``place``.
    Counts where ``wanted`` is False mean nothing.

    Args:
        values: Distances; what does not count is infinite.
        thresholds: Distances, ascending in each row.
        place: The column of each threshold.
        wanted: Which thresholds matter.
    """
    below, upto = (
        _count_on_cpu(values, thresholds, wanted) if values.device.type == "cpu" else _count(values, thresholds)
    )
    rows, slots = ((upto > below) & wanted).nonzero(as_tuple=True)
    column = torch.arange(values.shape[1], device=values.device)
    before = below.clone()
    for row, slot in zip(rows.split(PAIRS), slots.split(PAIRS), strict=True):
        equal = values[row] == thresholds[row, slot, None]
        before[row, slot] += (equal & (column < place[row, slot, None])).sum(1)
    return before, upto


def _count(
    values: Float[Tensor, "rows columns"], thresholds: Float[Tensor, "rows matches"]
) -> tuple[Int[Tensor, "rows matches"], Int[Tensor, "rows matches"]]:
    """Values below, and not above, each threshold: sort all, search."""
    ordered = values.sort(dim=1).values
    return torch.searchsorted(ordered, thresholds), torch.searchsorted(ordered, thresholds, right=True)


def _count_on_cpu(
    values: Float[Tensor, "rows columns"],
    thresholds: Float[Tensor, "rows matches"],
    wanted: Bool[Tensor, "rows matches"],
) -> tuple[Int[Tensor, "rows matches"], Int[Tensor, "rows matches"]]:
    """The same, sorting only what is not above the last wanted threshold; numpy sorts with the CPU's vector units."""
    last = thresholds.masked_fill(~wanted, -torch.inf).amax(dim=1)
    below, upto = torch.zeros_like(thresholds, dtype=torch.int64), torch.zeros_like(thresholds, dtype=torch.int64)
    arrays = [tensor.numpy() for tensor in (values, thresholds, last, below, upto)]
    workers = torch.get_num_threads()
    with ThreadPoolExecutor(workers) as pool:
        list(
            pool.map(
                lambda part: _count_rows(*part), zip(*(np.array_split(array, workers) for array in arrays), strict=True)
            )
        )
    return below, upto


def _count_rows(
    values: np.ndarray, thresholds: np.ndarray, last: np.ndarray, below: np.ndarray, upto: np.ndarray
) -> None:
    """Fills ``below`` and ``upto``."""
    for row in range(len(values)):
        near = values[row][values[row] <= last[row]]
        near.sort()
        below[row] = near.searchsorted(thresholds[row], side="left")
        upto[row] = near.searchsorted(thresholds[row], side="right")
