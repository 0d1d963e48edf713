"""The reciprocal neighbours of each image, as weights, which k-reciprocal re-ranking compares."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.distance import full_precision
from reid_lit.evaluation.neighbours.exact import Neighbours
from reid_lit.evaluation.neighbours.sparse import SparseRows
from reid_lit.progress import progress

ROWS = 1024
"""Images whose neighbours are compared together."""

Pairs = Callable[[Int[Tensor, " pairs"], Int[Tensor, " pairs"]], Float[Tensor, " pairs"]]
"""From indices of images to the distances of the pairs."""


@dataclass(frozen=True)
class MutualLists:
    """Neighbour lists, the shorter ones that may be added, and which of their entries are reciprocal."""

    index: Int[Tensor, "images k"]
    mutual: Bool[Tensor, "images k"]
    short: Int[Tensor, "images h"]
    short_mutual: Bool[Tensor, "images h"]


def encode(
    image: Float[Tensor, "images dim"],
    near: Neighbours,
    listed: int,
    halved: int,
    variant: str,
    pairs: Pairs | None = None,
) -> SparseRows:
    """V before it is averaged: the weights of the members of R* of each image, summing to 1.

    Args:
        image: Embeddings.
        near: The nearest images of each, ``listed`` or more.
        listed: Length of the lists that R(i, k1) is taken from, the image itself included.
        halved: Length of the lists that R(j, k1/2) is taken from, the image itself included.
        variant: As in :class:`.reciprocal.KReciprocal`.
        pairs: Gives the distances of images; None: they are squared Euclidean.
    """
    index = near.index.int()
    long, short = index[:, :listed], index[:, :halved]
    lists = MutualLists(long, _mutual(long), short, _mutual(short))
    squares = torch.cat([part.square().sum(1) for part in image.split(ROWS)])
    parts = []
    with progress("reciprocal neighbours") as tell, full_precision(image.device):
        for start in range(0, len(image), ROWS):
            rows = slice(start, min(start + ROWS, len(image)))
            key = _members(lists, rows)
            members = SparseRows.of(key, key.new_empty(len(key), dtype=torch.float32), rows.stop - start, len(image))
            parts.append(_weigh(members, start, image, squares, near.farthest, variant, pairs))
            tell(rows.stop, len(image))
    return SparseRows.join(parts)


def _mutual(index: Int[Tensor, "images k"]) -> Bool[Tensor, "images k"]:
    """Which entries of each image's list have the image in theirs."""
    image = torch.arange(len(index), dtype=index.dtype, device=index.device)
    parts = zip(index.split(ROWS), image.split(ROWS), strict=True)
    return torch.cat([(index[part.long()] == itself[:, None, None]).any(2) for part, itself in parts])


def _members(lists: MutualLists, rows: slice) -> Int[Tensor, " members"]:
    """R* of some images: row · images + member, ascending."""
    near, mutual = lists.index[rows], lists.mutual[rows]
    added, present = lists.short[near.long()], lists.short_mutual[near.long()]
    members = near.masked_fill(~mutual, -1)
    known = (added[..., None] == members[:, None, None, :]).any(3) & present
    alike = mutual & (3 * known.sum(2) > 2 * present.sum(2))
    row = torch.arange(len(near), device=near.device)[:, None] * len(lists.index)
    new = (row[..., None] + added)[present & ~known & alike[..., None]]
    return torch.cat([(row + near)[mutual], new]).sort().values.unique_consecutive()


def _weigh(
    members: SparseRows,
    start: int,
    image: Float[Tensor, "images dim"],
    squares: Float[Tensor, " images"],
    farthest: Float[Tensor, " images"],
    variant: str,
    pairs: Pairs | None,
) -> SparseRows:
    """exp(−D) of the members of some images, from ``start`` on, over their sum."""
    row, column = members.row, members.column.long()
    if pairs is None:
        product = _products(image[start : start + len(members)], image, members)
        distance = (squares[start + row] + squares[column] - 2 * product).clamp_min_(0)
    else:
        distance = pairs(start + row, column)
    distance.masked_fill_(column == start + row, 0)
    if variant != "fastreid":
        distance /= farthest[start + row].clamp_min(torch.finfo(torch.float32).tiny)
    if variant == "layumi":
        distance.square_()
    weight = distance.neg_().exp_()
    sums = weight.new_zeros(len(members)).index_add_(0, row, weight)
    return SparseRows(members.start, members.column, weight / sums[row], members.width)


def _products(
    rows: Float[Tensor, "rows dim"], image: Float[Tensor, "images dim"], members: SparseRows
) -> Float[Tensor, " members"]:
    """The product of each row with its members alone; gathering their embeddings first takes six times as long."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that sparse tensors are new
        size = (len(members), members.width)
        pattern = torch.sparse_csr_tensor(members.start.int(), members.column, torch.zeros_like(members.value), size)
        return torch.sparse.sampled_addmm(pattern, rows, image.T, beta=0.0).values()
