"""Distances of images by the whole image and by stripes, matched from top to bottom."""

import torch
from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.distance import BLOCK, DistanceBlocks, finite_lengths, full_precision
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.evaluation.stripes import Tiles, of_unit
from reid_lit.evaluation.tile_workers import TileWorkers


def stripes_of(
    embedding: Float[Tensor, "images dim"], local: LocalDistance
) -> Float[Tensor, "images stripes channels"]:
    """The stripes of embeddings, a view.

    Raises:
        ValueError: they have none, or are of another layout.
    """
    length = embedding.shape[1] - local.whole
    if not local.channels or length <= 0 or length % local.channels:
        raise InputError(
            "local compares stripes, and these embeddings have none; embed them by a model with a local branch"
            " (model=alignedreid, evaluation=aligned), or set evaluation.local=null"
        )
    return embedding[:, local.whole :].unflatten(1, (-1, local.channels))


class LocalBlocks:
    """The rows of the distance matrix, :data:`BLOCK` at a time, in one buffer that each call overwrites.

    Args:
        query: Embeddings with stripes.
        gallery: Embeddings with stripes, on the same device.
        kind: Of the whole images: ``euclidean`` or ``cosine``.
        local: How the stripes are compared.

    Raises:
        ValueError: embeddings without stripes, of different length, or not finite.
    """

    def __init__(
        self, query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], kind: str,
        local: LocalDistance,
    ) -> None:  # fmt: skip
        self.local = local
        self.query, self.gallery = stripes_of(query, local), stripes_of(gallery, local)
        for role, embedding in (("query", query), ("gallery", gallery)):
            finite_lengths(embedding, role)
        self.whole = DistanceBlocks(query[:, : local.whole], gallery[:, : local.whole], kind)
        self._tiles = TileWorkers(self.gallery.shape[1], query.device, local.matching)

    @torch.no_grad()
    def block(self, start: int) -> Float[Tensor, "rows gallery"]:
        """Distances of the queries ``start`` to ``start + BLOCK`` (fewer at the end); ``start`` is a multiple of BLOCK.

        The tensor is a view of the buffer: it may be written to, and the next call overwrites it.
        """
        distance = self.whole.block(start).mul_(self.local.global_weight)
        rows = self.query[start : start + BLOCK]
        with full_precision(distance.device):
            if self.local.nearest is None or self.local.nearest >= distance.shape[1]:
                self._add_all(distance, rows)
            else:
                self._add_nearest(distance, rows, self.local.nearest)
        return distance

    def _add_all(self, distance: Float[Tensor, "rows gallery"], rows: Float[Tensor, "rows stripes channels"]) -> None:
        """Add the stripes' distance of all pairs, tile by tile."""
        one = self._tiles.one
        parts = [one.of_queries(part) for part in rows.split(one.queries)]

        def add(tiles: Tiles, first: int) -> None:
            columns = tiles.of_gallery(self.gallery[first : first + tiles.gallery])
            for part, into in zip(parts, distance.split(tiles.queries), strict=True):
                cost = tiles.costs(part, columns)[: len(into)]
                into[:, first : first + cost.shape[1]].add_(cost, alpha=self.local.local_weight)

        self._tiles.each(add, range(0, len(self.gallery), one.gallery))

    def _add_nearest(
        self, distance: Float[Tensor, "rows gallery"], rows: Float[Tensor, "rows stripes channels"], count: int
    ) -> None:
        """Add the stripes' distance of the nearest pairs, and more than it can be to all others."""
        near = distance.sort(dim=1, stable=True).indices[:, :count]
        value = distance.gather(1, near)
        for place, stripes in enumerate(rows):
            columns = self._tiles.one.of_gallery(self.gallery[near[place]])
            cost = self._tiles.one.costs(of_unit(stripes[None], query=True), columns)[0]
            value[place].add_(cost, alpha=self.local.local_weight)
        distance.add_(2 * rows.shape[1] * self.local.local_weight).scatter_(1, near, value)
