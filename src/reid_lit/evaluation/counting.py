"""How many values of a row lie before given ones, without ranking the row."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FEW = 32
"""Thresholds that are sooner compared with every value than looked up among sorted values."""

SHORT = 2048
"""Fewer values than this are sooner sorted than compared with even a few thresholds."""

SPARSE = 4
"""Copying the values that are near enough pays when they are less than one in so many."""

PAIRS = 512
"""Tied pairs looked at together on a GPU; each costs one row of the distance matrix."""


class Counts(NamedTuple):
    """For each threshold, numbers of values.

    Attributes:
        before: Values that rank before: smaller ones, and equal ones in an earlier column than the threshold's.
        upto: Values that are not greater.
    """

    before: Int[Tensor, "rows matches"]
    upto: Int[Tensor, "rows matches"]


class Thresholds(NamedTuple):
    """What is counted for.

    Attributes:
        value: Distances, ascending in each row.
        column: The column of each.
        wanted: Which of them matter; the counts of others mean nothing.
    """

    value: Float[Tensor, "rows matches"]
    column: Int[Tensor, "rows matches"]
    wanted: Bool[Tensor, "rows matches"]


def count_before(
    values: Float[Tensor, "rows columns"],
    thresholds: Thresholds,
    camera: Int[Tensor, " rows"],
    column_camera: Int[Tensor, " columns"],
) -> tuple[Counts, Counts]:
    """The counts over all columns, and over those of the row's own camera.

    Args:
        values: Distances; what does not count is infinite.
        thresholds: What is counted for.
        camera: The camera of each row.
        column_camera: The camera of each column.
    """
    if values.device.type == "cpu":
        return _count_in_numpy(values, thresholds, camera, column_camera)
    own = values.masked_fill(camera[:, None] != column_camera, torch.inf)
    return _count_in_torch(values, thresholds), _count_in_torch(own, thresholds)


def _count_in_torch(values: Float[Tensor, "rows columns"], thresholds: Thresholds) -> Counts:
    """The counts on any device: sorts all, looks up."""
    ordered = values.sort(dim=1).values
    before = torch.searchsorted(ordered, thresholds.value)
    upto = torch.searchsorted(ordered, thresholds.value, right=True)
    rows, slots = ((upto > before) & thresholds.wanted).nonzero(as_tuple=True)
    columns = torch.arange(values.shape[1], device=values.device)
    for row, slot in zip(rows.split(PAIRS), slots.split(PAIRS), strict=True):
        equal = values[row] == thresholds.value[row, slot, None]
        before[row, slot] += (equal & (columns < thresholds.column[row, slot, None])).sum(1)
    return Counts(before, upto)


def _count_in_numpy(
    values: Float[Tensor, "rows columns"],
    thresholds: Thresholds,
    camera: Int[Tensor, " rows"],
    column_camera: Int[Tensor, " columns"],
) -> tuple[Counts, Counts]:
    """The counts on the CPU: row by row, where numpy is faster, in torch's number of threads."""
    own = {one: (column_camera == one).nonzero()[:, 0].numpy() for one in camera.unique().tolist()}
    out = torch.zeros(len(values), 4, thresholds.value.shape[1], dtype=torch.int64)
    number = (thresholds.wanted * torch.arange(1, out.shape[2] + 1)).amax(dim=1)

    def count(rows: np.ndarray) -> None:
        scratch = np.empty((FEW, values.shape[1]), dtype=np.bool_)
        for row in rows:
            wanted = slice(number[row])
            asked, place = thresholds.value[row, wanted].numpy(), thresholds.column[row, wanted].numpy()
            line, columns = values[row].numpy(), own[int(camera[row])]
            filled = out[row, :, wanted].numpy()
            filled[:2] = _count_row(line, asked, place, scratch)
            filled[2:] = _count_row(line[columns], asked, columns.searchsorted(place), scratch)

    workers = torch.get_num_threads()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(count, np.array_split(number.nonzero()[:, 0].numpy(), workers)))
    before, upto, own_before, own_upto = out.unbind(1)
    return Counts(before, upto), Counts(own_before, own_upto)


def _count_row(
    values: np.ndarray, asked: np.ndarray, place: np.ndarray, scratch: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of values before, and not above, each of ``asked``, which stand at ``place``."""
    possible = values <= asked[-1]
    near = values[possible] if np.count_nonzero(possible) * SPARSE < len(values) else values
    if len(asked) > FEW or len(near) < SHORT:
        near = np.sort(near)
        before, upto = near.searchsorted(asked), near.searchsorted(asked, side="right")
    else:
        before, upto = (_count_true(compare, near, asked, scratch) for compare in (np.less, np.less_equal))
    for slot in (upto > before).nonzero()[0]:
        before[slot] += np.count_nonzero(values[: place[slot]] == asked[slot])
    return before, upto


def _count_true(compare: np.ufunc, near: np.ndarray, asked: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """How many of ``near`` compare with each of ``asked``; few long calls, since threads queue for short ones."""
    truth = compare(near, asked[:, None], out=scratch[: len(asked), : len(near)])
    return truth.view(np.uint8).sum(axis=1, dtype=np.int32)  # bytes add up three times as fast as booleans
