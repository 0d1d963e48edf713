"""α query expansion: each image becomes the weighted mean of itself and the images most like it."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.budget import check_bytes
from reid_lit.evaluation.neighbours.search import ExactSearch

OF = ("queries", "both")

SHORTEST = 1e-12
"""The least length of an embedding that is divided by."""


class Expansion:
    """α query expansion.

    Each image is replaced by the mean, over the k images that are most like it (itself among them), of cos^α times the
    embedding as it came, not scaled to unit length; cosines below 0 count as 0.

    Source: Radenović et al., "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2019, section 3.4; k, α
        and the mean over ``both`` as in FastReID.

    Args:
        k: Images averaged, the image itself included, from 2.
        alpha: The exponent α ≥ 0; 0 is the plain mean.
        times: How often, from 1; each time the expanded embeddings are searched and averaged.
        of: ``both`` replaces query and gallery by means over query and gallery, so that the result of a query depends
            on the other queries (transductive). ``queries`` replaces each query by a mean over itself and gallery
            images, as in a system that gets one query at a time.

    Attributes:
        stamp: The method and its numbers, in words.

    Raises:
        ValueError: numbers out of range, or an unknown word.
    """

    def __init__(self, *, k: int = 5, alpha: float = 3.0, times: int = 1, of: str = "both") -> None:
        if of not in OF:
            raise InputError(f"of={of!r} is unknown; choose one of {', '.join(OF)}")
        if k < 2:
            raise InputError(f"k={k}: give 2 or more images, the image itself included")
        if alpha < 0:
            raise InputError(f"alpha={alpha}: give an exponent of 0 or more")
        if times < 1:
            raise InputError(f"times={times}: give 1 or more")
        self.k, self.alpha, self.times, self.of = k, alpha, times, of

    @property
    def stamp(self) -> str:
        """The method and its numbers, in words."""
        of = "queries and gallery, transductive" if self.of == "both" else "queries"
        times = f", {self.times} times" if self.times > 1 else ""
        return f"α query expansion (k={self.k}, α={self.alpha:g}{times}, of {of})"

    @property
    def listed(self) -> int:
        """Images averaged, the image itself included."""
        return self.k

    def needed(self, queries: int, gallery: int, dim: int) -> int:
        """Bytes above the embeddings while means are taken: lists of neighbours, and old and new embeddings."""
        images = queries + gallery if self.of == "both" else queries
        return images * (24 * self.k + 8 * dim)

    @torch.no_grad()
    def __call__(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Float[Tensor, "gallery dim"],
        *,
        memory_limit_gb: float | None = None,
        search: Any = None,
    ) -> tuple[Float[Tensor, "queries dim"], Float[Tensor, "gallery dim"]]:
        """The expanded query and gallery, in float32; the gallery itself where only queries are expanded.

        Args:
            query: Embeddings of any length.
            gallery: Embeddings, on the same device.
            memory_limit_gb: What may be used above the embeddings, in GB; None for no limit.
            search: How neighbours are found, from :mod:`reid_lit.evaluation.neighbours.search`; None for the exact
                search.

        Raises:
            ValueError: fewer images than k, embeddings that are not finite, or a limit that cannot be met.
        """
        check_bytes(memory_limit_gb, self.needed(len(query), len(gallery), query.shape[1]), work=self.stamp)
        search = search or ExactSearch()
        if self.of == "both":
            image = self._both(torch.cat([query, gallery]).float(), memory_limit_gb, search)
            return image[: len(query)], image[len(query) :]
        return self._queries(query.float(), gallery.float(), memory_limit_gb, search), gallery

    def _both(
        self, image: Float[Tensor, "images dim"], memory_limit_gb: float | None, search: Any
    ) -> Float[Tensor, "images dim"]:
        """The expanded images; overwrites ``image``, so that one copy of the embeddings serves search and mean."""
        for _ in range(self.times):
            length = torch.linalg.vector_norm(image, dim=1)
            image.div_(length.clamp_min(SHORTEST)[:, None])
            near = search.neighbours(image, k=self.k, memory_limit_gb=memory_limit_gb, held=image.nbytes)
            weight = self._weight(near.distance) * length[near.index]
            image = F.embedding_bag(near.index, image, per_sample_weights=weight / self.k, mode="sum")
        return image

    def _queries(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Float[Tensor, "gallery dim"],
        memory_limit_gb: float | None,
        search: Any,
    ) -> Float[Tensor, "queries dim"]:
        """The expanded queries."""
        for _ in range(self.times):
            near = search.search(query, gallery, k=self.k - 1, unit=True, memory_limit_gb=memory_limit_gb)
            weight = self._weight(near.distance)
            query = (query + F.embedding_bag(near.index, gallery, per_sample_weights=weight, mode="sum")) / self.k
        return query

    def _weight(self, distance: Float[Tensor, "images k"]) -> Float[Tensor, "images k"]:
        """cos^α of images at squared distances 2 − 2 cos."""
        return (1 - distance / 2).clamp_min(0) ** self.alpha
