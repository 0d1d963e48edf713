"""Products of the stripes of images, and the least path through them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.evaluation.distance import full_precision

TILE = {"cpu": (64, 256), "cuda": (256, 512)}
"""Queries and gallery entries whose stripes are multiplied at once: few enough for a processor's cache."""


class Tiles:
    """Products of stripes, and what they cost, in buffers that each call overwrites.

    Args:
        stripes: Of an image.
        device: Of the embeddings.
        matching: As in :class:`.local_distance.LocalDistance`.
    """

    def __init__(self, stripes: int, device: torch.device, matching: str) -> None:
        self.queries, self.gallery = TILE.get(device.type, TILE["cpu"])
        self.stripes = stripes
        self.matching = matching
        self._path: LeastPath | None = None

    def of_queries(self, part: Float[Tensor, "rows stripes channels"]) -> Float[Tensor, "stripes queries more"]:
        """Stripes as one side of the products, padded: a product of another shape rounds otherwise."""
        return of_unit(F.pad(part, (0, 0, 0, 0, 0, self.queries - len(part))), query=True)

    def of_gallery(self, part: Float[Tensor, "columns stripes channels"]) -> Float[Tensor, "stripes columns more"]:
        """Stripes as the other side."""
        return of_unit(part, query=False)

    def multiply(
        self, query: Float[Tensor, "stripes queries more"], gallery: Float[Tensor, "stripes columns more"]
    ) -> "LeastPath":
        """A path whose cells are the squared distances of all stripes of one side to all of the other."""
        stripes, rows, columns = len(query), query.shape[1], gallery.shape[1]
        shape = (stripes, rows, stripes, columns)
        if self._path is None or self._path.cells.shape != shape or self._path.cells.dtype != query.dtype:
            self._path = LeastPath(query.new_empty(shape))
        cells = self._path.cells.view(stripes * rows, stripes * columns)
        torch.mm(query.flatten(0, 1), gallery.flatten(0, 1).T, out=cells)
        return self._path

    def costs(
        self, query: Float[Tensor, "stripes queries more"], gallery: Float[Tensor, "stripes columns more"]
    ) -> Float[Tensor, "queries columns"]:
        """The distance of the stripes of each query to those of each gallery entry."""
        if self.matching == "unaligned":
            cells = torch.bmm(query, gallery.transpose(1, 2))
            return _halves(cells).sum(0).mul_(2).sub_(self.stripes)
        path = self.multiply(query, gallery)
        _halves(path.cells)
        # a path has 2 · stripes − 1 cells, whatever way it takes, so tanh(d / 2) = 2 σ(d) − 1 is applied to its sum
        return path.least().mul(2).sub_(2 * self.stripes - 1)

    def of_pairs(
        self, one: Float[Tensor, "pairs stripes channels"], other: Float[Tensor, "pairs stripes channels"]
    ) -> Float[Tensor, " pairs"]:
        """The distance of the stripes of each pair."""
        left, right = of_unit(one, query=True).transpose(0, 1), of_unit(other, query=False).transpose(0, 1)
        cells = _halves(torch.bmm(left, right.transpose(1, 2))).permute(1, 2, 0)
        if self.matching == "unaligned":
            return cells.diagonal().sum(1).mul_(2).sub_(self.stripes)
        return LeastPath(cells.contiguous()[:, None]).least()[0].mul(2).sub_(2 * self.stripes - 1)


def of_unit(part: Float[Tensor, "images stripes channels"], *, query: bool) -> Float[Tensor, "stripes images more"]:
    """Stripes at unit length, with one more number: the product of both sides is then the squared distance 2 − 2 cos.

    The number is 1 beside −2 × the stripe for queries, and 2 beside the stripe for the gallery.
    """
    unit = F.normalize(part, dim=2) * (-2 if query else 1)
    return F.pad(unit, (0, 1), value=1.0 if query else 2.0).transpose(0, 1).contiguous()


def _halves(squares: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """σ(d) = (1 + tanh(d / 2)) / 2 of squared distances, in place; ten times as fast as tanh on a CPU."""
    return squares.clamp_min_(0).sqrt_().sigmoid_()


class LeastPath:
    """The least sum of cells from the first to the last, by steps right or down, for all pairs at once.

    Anti-diagonal by anti-diagonal: slot i + 1 has the least sum up to row i of the last diagonal, and what is no cell
    is infinite. The views of all diagonals are made once: on a CPU they cost as much as the sums of a tile.

    Args:
        cells: Of each pair, (stripes queries stripes columns); what they hold is read by :meth:`least`.
    """

    def __init__(self, cells: Float[Tensor, "stripes queries stripes columns"]) -> None:
        stripes, grid = len(cells), cells.transpose(1, 2)
        self.cells = cells
        self._sums = cells.new_empty(2, stripes + 1, *grid.shape[2:])
        down, right, *inner = grid.stride()
        before, after = self._sums.unbind(0)
        self._first, self._start = grid[0, 0], before[1]
        self._diagonals = []
        for diagonal in range(1, 2 * stripes - 1):
            first, last = max(0, diagonal - stripes + 1), min(diagonal, stripes - 1)
            place = grid.storage_offset() + first * down + (diagonal - first) * right
            cost = grid.as_strided((last - first + 1, *grid.shape[2:]), (down - right, *inner), place)
            views = (before[first + 1 : last + 2], before[first : last + 1], after[first + 1 : last + 2], cost)
            self._diagonals.append(views)
            before, after = after, before
        self._last = before[stripes]

    def least(self) -> Float[Tensor, "queries columns"]:
        """A view, which the next call overwrites."""
        self._sums.fill_(torch.inf)
        self._start.copy_(self._first)
        for right, down, reached, cost in self._diagonals:
            torch.minimum(right, down, out=reached).add_(cost)
        return self._last


@torch.no_grad()
def pair_costs(
    images: Float[Tensor, "images stripes channels"],
    one: Int[Tensor, " pairs"],
    other: Int[Tensor, " pairs"],
    matching: str,
    *,
    numbers: int = 2**22,
) -> Float[Tensor, " pairs"]:
    """The stripes' distance of some pairs of images.

    Args:
        images: Stripes.
        one: Index of the first of each pair.
        other: Index of the second.
        matching: As in :class:`.local_distance.LocalDistance`.
        numbers: Of gathered stripes at a time.
    """
    tiles = Tiles(images.shape[1], images.device, matching)
    step = max(1, numbers // images[0].numel())
    parts = zip(one.split(step), other.split(step), strict=True)
    with full_precision(images.device):
        costs = [tiles.of_pairs(images[left], images[right]) for left, right in parts]
    return torch.cat(costs) if costs else images.new_empty(0)
