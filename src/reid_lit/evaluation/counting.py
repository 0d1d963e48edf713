"""How many values of a row lie before given ones, without ranking the row."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

PAIRS = 512
"""Tied pairs looked at together; each costs one row of the distance matrix."""

FEW = 32
"""Thresholds that are sooner compared with every value than looked up among sorted values."""

SPARSE = 4
"""Copying the values that are near enough pays when they are less than one in so many."""


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
    """The same for the thresholds up to the last wanted one, row by row in numpy, in torch's number of threads."""
    below = torch.zeros(thresholds.shape, dtype=torch.int64)
    upto = torch.zeros_like(below)
    number = (wanted * torch.arange(1, wanted.shape[1] + 1)).amax(dim=1)
    workers = torch.get_num_threads()
    arrays = (np.array_split(tensor.numpy(), workers) for tensor in (values, thresholds, number, below, upto))
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_count_rows, *arrays))
    return below, upto


def _count_rows(
    values: np.ndarray, thresholds: np.ndarray, number: np.ndarray, below: np.ndarray, upto: np.ndarray
) -> None:
    """Fills the first ``number`` entries of the rows of ``below`` and ``upto``."""
    for row in number.nonzero()[0]:
        wanted = slice(number[row])
        asked, near = thresholds[row, wanted], values[row]
        possible = near <= asked[-1]
        if np.count_nonzero(possible) * SPARSE < len(near):
            near = near[possible]
        below[row, wanted], upto[row, wanted] = _count_row(near, asked)


def _count_row(near: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers in ``near`` below, and not above, each of ``asked``."""
    if len(asked) > FEW:
        near = np.sort(near)
        return near.searchsorted(asked), near.searchsorted(asked, side="right")
    column = asked[:, None]
    return _sum_rows(near < column), _sum_rows(near <= column)


def _sum_rows(truth: np.ndarray) -> np.ndarray:
    """How many are true in each row; bytes add up three times as fast as booleans."""
    return truth.view(np.uint8).sum(axis=1, dtype=np.int32)
