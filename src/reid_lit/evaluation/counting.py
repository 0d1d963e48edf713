"""The number of values of a row that rank before some of them, without ranking the row."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

SPARSE = 32
"""The near values are packed where they are less than one in so many; else packing costs more than it saves."""

PAIRS = 512
"""Tied pairs compared together on a GPU; each costs one row of the distance matrix."""


class Counts(NamedTuple):
    """For each threshold, numbers of values.

    Attributes:
        before: Values that rank before: smaller ones, and equal ones in an earlier column than the threshold's.
        upto: Values that are not greater.
    """

    before: Int[Tensor, "rows matches"]
    upto: Int[Tensor, "rows matches"]


class Thresholds(NamedTuple):
    """The distances before which values are counted.

    Attributes:
        value: Distances, ascending in each row.
        column: The column of each.
        wanted: Which of them are no padding; the counts of the others mean nothing.
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
        values: Distances; those that do not count are infinite.
        thresholds: The distances before which they are counted.
        camera: The camera of each row.
        column_camera: The camera of each column.
    """
    values = values.contiguous()  # sorting keeps the layout, and a transposed one is slow to search
    if values.device.type == "cpu":
        return _count_in_numpy(values, thresholds, camera, column_camera)
    same_camera = values.masked_fill(camera[:, None] != column_camera, torch.inf)
    return _count_in_torch(values, thresholds), _count_in_torch(same_camera, thresholds)


def _count_in_torch(values: Float[Tensor, "rows columns"], thresholds: Thresholds) -> Counts:
    """The counts on any device: sort all values, then search."""
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
    """The counts on the CPU, where numpy sorts many times as fast as torch, in torch's number of threads."""
    workers = torch.get_num_threads()
    parts = [part for part in np.array_split(np.arange(len(values)), workers) if len(part)]

    def count(part: np.ndarray) -> list[Tensor]:
        rows = slice(int(part[0]), int(part[-1]) + 1)
        chosen = Thresholds(thresholds.value[rows], thresholds.column[rows], thresholds.wanted[rows])
        return _count_rows(values[rows].numpy(), chosen, camera[rows].numpy(), column_camera.numpy())

    with ThreadPoolExecutor(workers) as pool:
        counts = list(zip(*pool.map(count, parts), strict=True))
    before, upto, camera_before, camera_upto = (torch.cat(numbers) for numbers in counts)
    return Counts(before, upto), Counts(camera_before, camera_upto)


def _count_rows(
    values: np.ndarray, thresholds: Thresholds, camera: np.ndarray, column_camera: np.ndarray
) -> list[Tensor]:
    """``before`` and ``upto`` of some rows: over all columns, then over those of the row's own camera."""
    reach = thresholds.value.masked_fill(~thresholds.wanted, -torch.inf).amax(dim=1, keepdim=True).numpy()
    near = values <= reach
    if np.count_nonzero(near) * SPARSE < near.size:
        row, column = _where(near)
        value, same_camera = values[row, column], camera[row] == column_camera[column]
        parts = [_packed(row, value, len(values)), _packed(row[same_camera], value[same_camera], len(values))]
    else:
        parts = [values, _of_same_camera(values, camera, column_camera)]
    ordered = [torch.from_numpy(np.sort(part, axis=1)) for part in parts]
    counts = [torch.searchsorted(part, thresholds.value, right=right) for part in ordered for right in (False, True)]
    for row, slot in ((counts[1] > counts[0]) & thresholds.wanted).nonzero().tolist():
        equal = values[row, : thresholds.column[row, slot]] == float(thresholds.value[row, slot])
        counts[0][row, slot] += int(np.count_nonzero(equal))
        counts[2][row, slot] += int(np.count_nonzero(equal & (column_camera[: len(equal)] == camera[row])))
    return counts


def _where(near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the true entries, in order; eight entries are tested together, since few are true."""
    flat = near.ravel()
    if flat.size % 8:
        place = np.flatnonzero(flat)
    else:
        words = np.flatnonzero(flat.view(np.uint64))
        word, byte = np.nonzero(flat.reshape(-1, 8)[words])
        place = words[word] * 8 + byte
    return np.divmod(place, near.shape[1])


def _packed(row: np.ndarray, value: np.ndarray, rows: int) -> np.ndarray:
    """The values of each row side by side, the shorter rows filled with infinity; ``row`` ascends."""
    count = np.bincount(row, minlength=rows)
    packed = np.full((rows, max(1, count.max())), np.inf, dtype=value.dtype)
    packed[row, np.arange(len(row)) - (count.cumsum() - count)[row]] = value
    return packed


def _of_same_camera(values: np.ndarray, camera: np.ndarray, column_camera: np.ndarray) -> np.ndarray:
    """The values of each row's own camera, the shorter rows filled with infinity."""
    columns = {number: np.flatnonzero(column_camera == number) for number in np.unique(camera)}
    packed = np.full((len(values), max(1, *map(len, columns.values()))), np.inf, dtype=values.dtype)
    for number, places in columns.items():
        rows = np.flatnonzero(camera == number)
        packed[rows, : len(places)] = values[np.ix_(rows, places)]
    return packed
