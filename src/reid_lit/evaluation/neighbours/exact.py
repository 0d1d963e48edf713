"""The nearest images of every image, exactly, by tiles of the matrix product."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.budget import size_within
from reid_lit.evaluation.distance import full_precision, prepare
from reid_lit.progress import progress
from reid_lit.wording import counted

TILE = {"cpu": 1024, "cuda": 4096}
"""Rows and columns of one matrix product: large enough for its full speed."""

SMALLEST_TILE = 128
"""The least number of them under a limit of memory."""

NOBODY = torch.iinfo(torch.int64).max
"""The key of a place in a list that is not taken yet."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest images of each image among all (itself included), nearest first, ties by lower index.

    Attributes:
        index: ``(images k)`` int64.
        distance: ``(images k)`` float32 ≥ 0, squared Euclidean distances; 2 − 2 cos for embeddings of unit length.
        farthest: ``(images)`` float32, the squared distance of the farthest image.
    """

    index: Int[Tensor, "images k"]
    distance: Float[Tensor, "images k"]
    farthest: Float[Tensor, " images"]


@torch.no_grad()
def neighbours(
    embedding: Float[Tensor, "images dim"], *, k: int, memory_limit_gb: float | None = None, held: int = 0
) -> Neighbours:
    """The k nearest images of each image, exact, in float32.

    The distance matrix is symmetric, so each pair of images is multiplied once. It is never held: each tile is searched
    for images nearer than the k-th nearest so far, of its rows and of its columns.

    >>> neighbours(torch.tensor([[0.0], [3.0], [1.0]]), k=2).index
    tensor([[0, 2],
            [1, 2],
            [2, 0]])

    Args:
        embedding: Embeddings, on any device; compared as they are, not scaled to unit length.
        k: Neighbours of an image, itself included, from 1 to the number of images.
        memory_limit_gb: What may be used above the embeddings, in GB; None for no limit.
        held: Bytes of the limit that the caller holds meanwhile.

    Raises:
        ValueError: fewer images than k, embeddings that are not finite, or a limit that cannot be met.
    """
    images, dim = embedding.shape
    if not 1 <= k <= images:
        raise InputError(
            f"k={k} neighbours of each of {counted(images, 'image')}, itself included: give a k from 1 to {images}"
        )
    tile = size_within(
        memory_limit_gb,
        work=f"the search for {counted(k, 'neighbour')} of {counted(images, 'image')}",
        fixed=held + images * (20 * k + 12),
        each=8 * dim + 40 * k,
        square=64,
        most=TILE.get(embedding.device.type, 1024),
        least=SMALLEST_TILE,
    )
    search = _Search(embedding, k, tile)
    with progress("nearest neighbours") as tell, full_precision(embedding.device):
        for done, (rows, columns) in enumerate(tiles := search.tiles()):
            search.visit(rows, columns)
            tell(done + 1, len(tiles))
    return search.result()


class _Search:
    """Lists of the nearest images so far.

    A list holds keys: the bits of a distance, which order as the distance does because none is negative, above the
    index. So keys are unique, and ordered by distance, ties by lower index.

    Args:
        embedding: ``(images dim)``.
        k: Entries of a list.
        tile: Rows and columns of one matrix product.
    """

    def __init__(self, embedding: Float[Tensor, "images dim"], k: int, tile: int) -> None:
        self.embedding, _ = prepare(embedding, "image", "euclidean", torch.float32)
        self.squares = torch.cat([part.square().sum(1) for part in self.embedding.split(tile)])
        self.tile = tile
        self.keys = torch.full((len(embedding), k), NOBODY, device=embedding.device)
        self.reach = torch.full_like(self.squares, torch.inf)  # distance of the last in each list
        self.farthest = torch.zeros_like(self.squares)
        self.buffer = self.embedding.new_empty(tile, tile)

    def tiles(self) -> list[tuple[slice, slice]]:
        """The tiles on and above the diagonal; the diagonal first, since it fills the lists."""
        parts = [slice(start, min(start + self.tile, len(self.keys))) for start in range(0, len(self.keys), self.tile)]
        return [(part, part) for part in parts] + [
            (rows, columns) for place, columns in enumerate(parts) for rows in parts[:place]
        ]

    def visit(self, rows: slice, columns: slice) -> None:
        """Search one tile."""
        distance = self._distance(rows, columns)
        self._see_farthest(rows, distance.amax(1))
        if rows == columns:
            distance.diagonal().zero_()
            index = torch.arange(rows.start, rows.stop, device=distance.device)
            self._take(index, _keys(torch.maximum(distance, distance.T), index))  # products round to one side or other
            return
        self._see_farthest(columns, distance.amax(0))
        reach = torch.maximum(self.reach[rows, None], self.reach[columns])
        row, column = where(distance <= reach)
        value = distance[row, column]
        near = value <= self.reach[rows][row]
        self._offer(rows.start, row[near], columns.start + column[near], value[near])
        near = (value <= self.reach[columns][column]).nonzero()[:, 0]
        near = near[column[near].argsort(stable=True)]
        self._offer(columns.start, column[near], rows.start + row[near], value[near])

    def _distance(self, rows: slice, columns: slice) -> Float[Tensor, "rows columns"]:
        """Squared distances, in a buffer that the next call overwrites; rounding leaves some a little below 0."""
        left, right = self._padded(self.embedding[rows]), self._padded(self.embedding[columns])
        torch.add(self._padded(self.squares[rows, None]), self._padded(self.squares[columns, None]).T, out=self.buffer)
        self.buffer.addmm_(left, right.T, alpha=-2)
        return self.buffer[: rows.stop - rows.start, : columns.stop - columns.start]

    def _padded(self, part: Float[Tensor, "rows dim"]) -> Float[Tensor, "tile dim"]:
        """To the size of a tile: a product of another shape rounds otherwise."""
        return F.pad(part, (0, 0, 0, self.tile - len(part))) if len(part) < self.tile else part

    def _see_farthest(self, part: slice, distance: Float[Tensor, " rows"]) -> None:
        self.farthest[part] = torch.maximum(self.farthest[part], distance)

    def _offer(
        self, start: int, row: Int[Tensor, " pairs"], index: Int[Tensor, " pairs"], distance: Float[Tensor, " pairs"]
    ) -> None:
        """Take the near images into the lists of the images ``start + row``; ``row`` ascends."""
        if not len(row):
            return
        present, count = row.unique_consecutive(return_counts=True)
        slot = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count).repeat_interleave(count)
        offered = self.keys.new_full((len(present), int(count.max())), NOBODY)
        place = torch.arange(len(present), device=row.device).repeat_interleave(count)
        offered[place, slot] = _keys(distance, index)
        self._take(start + present, offered)

    def _take(self, image: Int[Tensor, " rows"], offered: Int[Tensor, "rows offered"]) -> None:
        """Keep the nearest of the lists of some images and of the images that are offered to them."""
        known = self.keys[image]
        keys = torch.cat([known, offered], dim=1).topk(known.shape[1], dim=1, largest=False, sorted=True).values
        self.keys[image] = keys
        self.reach[image] = _distance_of(keys[:, -1]).masked_fill_(keys[:, -1] == NOBODY, torch.inf)

    def result(self) -> Neighbours:
        """The lists, once every tile has been visited."""
        return Neighbours(self.keys & 0xFFFFFFFF, _distance_of(self.keys), self.farthest.clamp_min_(0))


def check_numbers(*, k1: int, k2: int, lambda_value: float) -> None:
    """Raise InputError unless a re-ranking can have these numbers of neighbours and this weight of the distance."""
    if k1 < 1:
        raise InputError(f"k1={k1}: give 1 or more neighbours")
    if not 1 <= k2 <= k1:
        raise InputError(f"k2={k2}: give 1 to k1={k1} neighbours")
    if not 0 <= lambda_value <= 1:
        raise InputError(f"lambda_value={lambda_value}: give a weight from 0 to 1")


def _keys(distance: Float[Tensor, "..."], index: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Integers that order as distance, then index."""
    bits = (distance.clamp_min(0) + 0.0).view(torch.int32)  # -0 becomes 0
    return (bits.long() << 32) | index


def _distance_of(key: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    return (key >> 32).int().view(torch.float32)


def where(true: Bool[Tensor, "rows columns"]) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
    """Where a matrix is true, row by row; eight entries are looked at together, since few are."""
    flat = true.flatten()
    if len(flat) % 8:
        row, column = true.nonzero(as_tuple=True)
        return row, column
    words = flat.view(torch.int64).nonzero()[:, 0]
    word, byte = flat.view(-1, 8)[words].nonzero(as_tuple=True)
    place = words[word] * 8 + byte
    row = place // true.shape[1]
    return row, place - row * true.shape[1]
