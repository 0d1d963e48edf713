"""Distances between stripes of images, matched from top to bottom, beside the distance of the whole images."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.distance import BLOCK, DistanceBlocks, full_precision
from reid_lit.evaluation.stripes import Tiles, of_unit

MATCHINGS = ("dmli", "unaligned")
FEATURES = ("local_pooled", "local")


@dataclass(frozen=True, kw_only=True)
class LocalDistance:
    """How stripes are compared, and what that weighs beside the distance of the whole images.

    Two stripes of unit length at the Euclidean distance d are (e^d − 1) / (e^d + 1) apart, in [0, 0.77). ``dmli`` is
    the least sum of these over a path from the first stripes of both images to the last ones, by steps to the next
    stripe of one or of the other: over 2 · stripes − 1 pairs. ``unaligned`` is the sum over stripes of the same place.

    Source: Luo et al., "AlignedReID++: Dynamically matching local information for person re-identification", PR 2019,
        equations 1 to 3; weights of 1 for the squared Euclidean distance of unit vectors, which is twice the cosine
        distance, and for the stripes: its public code.

    Attributes:
        matching: ``dmli`` (dynamically matching local information) or ``unaligned``.
        feature: Which stripes: ``local_pooled``, the row maxima of the map, or ``local``, behind the local branch.
        global_weight: Of the protocol's distance of the whole images.
        local_weight: Of the stripes' distance.
        nearest: For each query the stripes of so many entries are compared, the nearest by the whole image; all others
            follow in the order of that distance. None compares all.
        whole: Numbers of an embedding before its stripes; the model says it.
        channels: Of a stripe; the model says it. 0: there are no stripes.

    Raises:
        ValueError: an unknown word, weights below 0 or all 0, or ``nearest`` without a global weight or below 1.
    """

    matching: str
    feature: str
    global_weight: float
    local_weight: float
    nearest: int | None
    whole: int = 0
    channels: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("matching", MATCHINGS), ("feature", FEATURES)):
            if getattr(self, name) not in choices:
                raise InputError(f"local.{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}")
        if self.global_weight < 0 or self.local_weight <= 0:
            raise InputError(
                f"local.global_weight={self.global_weight:g}, local_weight={self.local_weight:g}: give 0 or more for"
                " the whole images, above 0 for their stripes; local=null compares whole images alone"
            )
        if self.nearest is not None and (self.nearest < 1 or not self.global_weight):
            raise InputError(
                f"local.nearest={self.nearest}: give 1 or more, and a global_weight above 0, by which the others"
                " follow; null compares the stripes of all"
            )

    @property
    def stamp(self) -> str:
        """The comparison in words."""
        name = "DMLI" if self.matching == "dmli" else "unaligned stripes"
        words = f"{self.global_weight:g} × global + {self.local_weight:g} × {name} of {self.feature}"
        return words if self.nearest is None else f"{words}, among the {self.nearest} nearest by global"

    def of(self, *, whole: int, channels: int) -> "LocalDistance":
        """The same for embeddings of this layout."""
        return replace(self, whole=whole, channels=channels)

    def stripes_of(self, embedding: Float[Tensor, "images dim"]) -> Float[Tensor, "images stripes channels"]:
        """The stripes of embeddings, a view.

        Raises:
            ValueError: they have none, or are of another layout.
        """
        length = embedding.shape[1] - self.whole
        if not self.channels or length <= 0 or length % self.channels:
            raise InputError(
                "local compares stripes, and these embeddings have none; embed them by a model with a local branch"
                " (model=alignedreid, evaluation=aligned), or set evaluation.local=null"
            )
        return embedding[:, self.whole :].unflatten(1, (-1, self.channels))

    def needed(self, gallery: int, dim: int) -> int:
        """Bytes above the embeddings: the gallery without junk, and the tiles."""
        stripes = (dim - self.whole) // max(self.channels, 1)
        return 4 * gallery * dim + 32 * 2**20 + 4 * BLOCK * (self.nearest or 0) + 4 * BLOCK * (dim + stripes)


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
        self.query, self.gallery = local.stripes_of(query), local.stripes_of(gallery)
        self.whole = DistanceBlocks(query[:, : local.whole], gallery[:, : local.whole], kind)
        self._tiles = Tiles(self.gallery.shape[1], query.device, local.matching)

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
        parts = [self._tiles.of_queries(part) for part in rows.split(self._tiles.queries)]
        for first in range(0, len(self.gallery), self._tiles.gallery):
            columns = self._tiles.of_gallery(self.gallery[first : first + self._tiles.gallery])
            for part, into in zip(parts, distance.split(self._tiles.queries), strict=True):
                cost = self._tiles.costs(part, columns)[: len(into)]
                into[:, first : first + cost.shape[1]].add_(cost, alpha=self.local.local_weight)

    def _add_nearest(
        self, distance: Float[Tensor, "rows gallery"], rows: Float[Tensor, "rows stripes channels"], count: int
    ) -> None:
        """Add the stripes' distance of the nearest pairs, and more than it can be to all others."""
        near = distance.sort(dim=1, stable=True).indices[:, :count]
        value = distance.gather(1, near)
        for place, stripes in enumerate(rows):
            columns = self._tiles.of_gallery(self.gallery[near[place]])
            cost = self._tiles.costs(of_unit(stripes[None], query=True), columns)[0]
            value[place].add_(cost, alpha=self.local.local_weight)
        distance.add_(2 * rows.shape[1] * self.local.local_weight).scatter_(1, near, value)
