"""Sparse matrices: only the entries other than 0 are kept, row by row, on CPU and GPU."""

from dataclasses import dataclass
from itertools import pairwise, starmap

import torch
from jaxtyping import Float, Int
from torch import Tensor

ENTRIES = 1 << 20
"""Entries worked on at once; a single row may have more."""


@dataclass(frozen=True)
class SparseRows:
    """A matrix by its rows; the columns of a row ascend, each once.

    Attributes:
        start: ``(rows + 1)`` int64, where the entries of each row start; the last is their number.
        column: ``(entries)`` int32.
        value: ``(entries)`` float32.
        width: Number of columns.
    """

    start: Int[Tensor, " bounds"]
    column: Int[Tensor, " entries"]
    value: Float[Tensor, " entries"]
    width: int

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, rows: slice) -> "SparseRows":
        """Some neighbouring rows; views."""
        start, stop, _ = rows.indices(len(self))
        bounds = self.start[start : max(start, stop) + 1]
        entries = slice(int(bounds[0]), int(bounds[-1]))
        return SparseRows(bounds - bounds[0], self.column[entries], self.value[entries], self.width)

    @property
    def count(self) -> Int[Tensor, " rows"]:
        """Entries of each row."""
        return self.start.diff()

    @property
    def row(self) -> Int[Tensor, " entries"]:
        """The row of each entry."""
        return _owners(self.count)

    @classmethod
    def of(cls, key: Int[Tensor, " entries"], value: Float[Tensor, " entries"], rows: int, width: int) -> "SparseRows":
        """The matrix with ``value`` at ``key``, row · width + column, ascending."""
        row = key // width
        return cls(_bounds(row, rows), (key - row * width).int(), value, width)

    @classmethod
    def join(cls, parts: list["SparseRows"]) -> "SparseRows":
        """The rows of all parts, one after another; ``parts`` is emptied, so that memory holds no entry twice."""
        count = torch.cat([part.count for part in parts])
        column, value = (torch.cat([getattr(part, name) for part in parts]) for name in ("column", "value"))
        width = parts[0].width
        parts.clear()
        return cls(_from_zero(count), column, value, width)

    def means(self, rows: Int[Tensor, "means k"]) -> "SparseRows":
        """The means of k rows each."""
        first, count = self.start[rows].flatten(), self.count[rows].flatten()
        entry, place = spread(first, count)
        key, order = (entry // rows.shape[1] * self.width + self.column[place]).sort()
        key, group = key.unique_consecutive(return_inverse=True)
        value = self.value.new_zeros(len(key)).index_add_(0, group, self.value[place[order]])
        return SparseRows.of(key, value / rows.shape[1], len(rows), self.width)

    def transposed(self) -> "SparseRows":
        """The matrix by its columns: for each the rows that have an entry there, an inverted list."""
        order = self.column.sort(stable=True).indices
        return SparseRows(_bounds(self.column, self.width), self.row[order].int(), self.value[order], len(self))

    def add_minima(
        self,
        columns: "SparseRows",
        sums: Float[Tensor, "rows others"],
        skipped: Int[Tensor, " columns"] | None = None,
    ) -> None:
        """Add Σ_c min(self[r, c], other[o, c]) to ``sums[r, o]``, given the transpose of the other matrix.

        Only pairs of entries that share a column are compared; of each column of the other matrix, the first
        ``skipped`` entries are left out.
        """
        column = self.column.long()
        first, count = columns.start[column], columns.count[column]
        if skipped is not None:
            first, count = first + skipped[column], count - skipped[column]
        target, flat, pairs = self.row * sums.shape[1], sums.view(-1), count.cumsum(0)
        steps = ENTRIES * torch.arange(1, int(count.sum()) // ENTRIES + 1, device=count.device)
        for part in starmap(slice, pairwise([0, *torch.searchsorted(pairs, steps).tolist(), len(count)])):
            entry, place = spread(first[part], count[part])
            minimum = torch.minimum(self.value[part][entry], columns.value[place])
            flat.index_add_(0, target[part][entry] + columns.column[place], minimum)


def spread(
    first: Int[Tensor, " runs"], count: Int[Tensor, " runs"]
) -> tuple[Int[Tensor, " places"], Int[Tensor, " places"]]:
    """Runs of ``count`` places from ``first`` on, one after another: the number of each place's run, and the place.

    >>> spread(torch.tensor([5, 0]), torch.tensor([2, 3]))
    (tensor([0, 0, 1, 1, 1]), tensor([5, 6, 0, 1, 2]))
    """
    run = _owners(count)
    return run, torch.arange(len(run), device=run.device) + (first - count.cumsum(0) + count)[run]


def _owners(count: Int[Tensor, " runs"]) -> Int[Tensor, " places"]:
    return torch.arange(len(count), device=count.device).repeat_interleave(count)


def _bounds(row: Int[Tensor, " entries"], rows: int) -> Int[Tensor, " bounds"]:
    """Where each row starts among entries that are ordered by row, or would be."""
    return _from_zero(torch.bincount(row, minlength=rows))


def _from_zero(count: Int[Tensor, " rows"]) -> Int[Tensor, " bounds"]:
    return torch.cat([count.new_zeros(1), count.cumsum(0)])
