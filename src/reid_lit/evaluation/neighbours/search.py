"""Neighbour search behind one small interface: exact by default, by faiss's indexes for galleries of millions."""

import logging
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reid_lit.evaluation.budget import check_bytes
from reid_lit.evaluation.neighbours import index as indexes
from reid_lit.evaluation.neighbours.exact import Neighbours, neighbours
from reid_lit.evaluation.neighbours.nearest import (
    Gallery,
    NearestEntries,
    check_number,
    in_order,
    nearest,
    pair_distance,
    recall,
    squared_distance,
    with_itself,
)
from reid_lit.wording import counted

SAMPLE = 4096
"""Images that the farthest image is chosen from, where there are more."""

SEED = 0
"""Of the draw of images that recall and the farthest image are measured by."""

logger = logging.getLogger(__name__)


class ExactSearch:
    """Every distance is computed, by blocks of the matrix product.

    Attributes:
        stamp: How neighbours are found, in words.
    """

    stamp = "exact"

    def needed(self, images: int, dim: int) -> int:  # noqa: ARG002 - as for an index
        """0 bytes: there is no index."""
        return 0

    def check(self, images: int, dim: int) -> None:
        """Nothing: every number of images, of any length, can be searched."""

    def search(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Gallery,
        *,
        k: int,
        unit: bool = False,
        memory_limit_gb: float | None = None,
        held: int = 0,
    ) -> NearestEntries:
        """The k nearest gallery entries of each query; see :func:`~reid_lit.evaluation.neighbours.nearest.nearest`."""
        return nearest(query, gallery, k=k, unit=unit, memory_limit_gb=memory_limit_gb, held=held)

    def neighbours(
        self, embedding: Float[Tensor, "images dim"], *, k: int, memory_limit_gb: float | None = None, held: int = 0
    ) -> Neighbours:
        """The k nearest images of each image; see :func:`~reid_lit.evaluation.neighbours.exact.neighbours`."""
        return neighbours(embedding, k=k, memory_limit_gb=memory_limit_gb, held=held)


class FaissSearch:
    """Search by an index of faiss, on the CPU or, where faiss sees GPUs, split over all of them (HNSW: CPU only).

    Rows of neighbours that the index leaves short are searched exactly.

    Source: Johnson et al., "Billion-scale similarity search with GPUs", 2019; ``ivf_pq``: Jégou et al., "Product
        quantization for nearest neighbor search", TPAMI 2011; ``hnsw``: Malkov and Yashunin, TPAMI 2020.

    Args:
        kind: ``flat`` (exact), ``ivf_pq`` (codes of a few bytes an image, for galleries beyond memory) or ``hnsw``
            (links between images in addition to their embeddings: quick to search, slow to build).
        nlist: ``ivf_pq``: cells that the gallery is divided into; 0 for 4 √images.
        nprobe: ``ivf_pq``: cells that are searched.
        m: ``ivf_pq``: parts of a code, a divisor of the embedding's length; ``hnsw``: links of an image.
        bits: ``ivf_pq``: bits of a part; 2^bits training images or more are needed.
        refine: ``ivf_pq``: candidates for each neighbour asked for, whose true distances are then computed.
        train: ``ivf_pq``: images, drawn at random, that the index is trained on.
        ef_construction: ``hnsw``: candidates kept while building.
        ef_search: ``hnsw``: candidates kept while searching.
        recall_sample: Queries, drawn at random, that are also searched exactly, for the recall; 0 for none.

    Attributes:
        stamp: How neighbours are found, in words; after a search, with its recall.

    Raises:
        ValueError: an unknown kind, or numbers out of range.
    """

    def __init__(
        self,
        *,
        kind: str,
        nlist: int = 0,
        nprobe: int = 32,
        m: int = 32,
        bits: int = 8,
        refine: int = 10,
        train: int = 100_000,
        ef_construction: int = 100,
        ef_search: int = 128,
        recall_sample: int = 1000,
    ) -> None:
        self.kind, self.nlist, self.nprobe, self.m, self.bits = kind, nlist, nprobe, m, bits
        self.refine, self.train, self.ef_construction, self.ef_search = refine, train, ef_construction, ef_search
        self.recall_sample = recall_sample
        indexes.check(self)
        self._measured: dict[str, str] = {}

    @property
    def stamp(self) -> str:
        """How neighbours are found, in words; after a search, with its recall."""
        return ", ".join([indexes.words(self), *(f"{what} {value}" for what, value in self._measured.items())])

    def needed(self, images: int, dim: int) -> int:
        """About the bytes that an index of so many images takes."""
        return indexes.needed_bytes(images, dim, self)

    def check(self, images: int, dim: int) -> None:
        """Raise InputError unless so many embeddings of this length can be searched; before any is computed.

        Raises:
            ValueError: too few images or numbers for the settings.
            MissingPackageError: faiss is not installed.
        """
        indexes.load()
        indexes.check_fits(images, dim, self)

    def build(
        self, gallery: Gallery, *, unit: bool = False, memory_limit_gb: float | None = None, held: int = 0
    ) -> Any:
        """An index of the gallery, on the CPU; see :func:`reid_lit.evaluation.neighbours.index.build`.

        Raises:
            ValueError: the limit of memory cannot be met, or the gallery does not fit the settings.
            MissingPackageError: faiss is not installed.
        """
        needed = held + self.needed(len(gallery), gallery.shape[1])
        check_bytes(memory_limit_gb, needed, work=f"an index of {counted(len(gallery), 'image')}, kind {self.kind},")
        return indexes.build(gallery, self, unit=unit)

    @torch.no_grad()
    def search(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Gallery,
        *,
        k: int,
        unit: bool = False,
        memory_limit_gb: float | None = None,
        held: int = 0,
        index: Any = None,
    ) -> NearestEntries:
        """The k nearest gallery entries of each query, as far as the index finds them; their distances are true.

        Args:
            query: Embeddings.
            gallery: Embeddings: a tensor on the same device, or an array (``np.load(…, mmap_mode="r")``).
            k: Entries a query, from 1.
            unit: Compare the embeddings at unit length: by their cosine.
            memory_limit_gb: What may be used above the embeddings, in GB; None for no limit.
            held: Bytes of the limit that the caller holds meanwhile.
            index: What :meth:`build` made of the same gallery with the same ``unit``; None builds it.

        Raises:
            ValueError: fewer than k gallery entries, embeddings that are not finite, or a limit that cannot be met.
            MissingPackageError: faiss is not installed.
        """
        check_number(k, len(gallery))
        memory: dict[str, Any] = {"memory_limit_gb": memory_limit_gb, "held": held}
        index = indexes.over_gpus(index or self.build(gallery, unit=unit, **memory), self.kind)
        near = self._ask(index, query, gallery, k, unit)
        del index  # before the exact searches, which may use its memory
        short = (near.index < 0).any(1).nonzero()[:, 0]
        if len(short):
            exact = nearest(query[short], gallery, k=k, unit=unit, **memory)
            near.index[short], near.distance[short] = exact.index, exact.distance
        if self.kind != "flat":
            self._measure_recall(near, query, gallery, unit, memory)
        return near

    def _ask(
        self, index: Any, query: Float[Tensor, "queries dim"], gallery: Gallery, k: int, unit: bool
    ) -> NearestEntries:
        """The entries that the index finds, with true distances; the distances of its codes are only near them."""
        if self.kind != "ivf_pq":
            return in_order(indexes.ask(index, query, k, unit=unit), k)
        place = indexes.ask(index, query, min(k * self.refine, len(gallery)), unit=unit).index
        distance = pair_distance(query, gallery, place.clamp_min(0), unit=unit)
        return in_order(NearestEntries(place, distance.masked_fill_(place < 0, torch.inf)), k)

    @torch.no_grad()
    def neighbours(
        self, embedding: Float[Tensor, "images dim"], *, k: int, memory_limit_gb: float | None = None, held: int = 0
    ) -> Neighbours:
        """The k nearest images of each image, itself among them; the farthest of a sample stands for the farthest.

        Raises:
            ValueError: fewer images than k, embeddings that are not finite, or a limit that cannot be met.
            MissingPackageError: faiss is not installed.
        """
        near = with_itself(self.search(embedding, embedding, k=k, memory_limit_gb=memory_limit_gb, held=held))
        self._measured.pop("farthest image", None)  # of an earlier data set
        if len(embedding) > SAMPLE:
            self._measured["farthest image"] = f"of {SAMPLE:,} drawn"
        farthest = _farthest(embedding, _drawn(len(embedding), SAMPLE).to(embedding.device))
        return Neighbours(near.index, near.distance, torch.maximum(farthest, near.distance[:, -1]))

    def _measure_recall(
        self,
        near: NearestEntries,
        query: Float[Tensor, "queries dim"],
        gallery: Gallery,
        unit: bool,
        memory: dict[str, Any],
    ) -> None:
        """Put the recall into the stamp, measured on some of the queries."""
        k, what = near.index.shape[1], "not measured"
        if self.recall_sample:
            rows = _drawn(len(query), self.recall_sample).to(query.device)
            share = recall(near.index[rows], nearest(query[rows], gallery, k=k, unit=unit, **memory).index)
            what = f"{share:.4f} of {counted(len(rows), 'query', 'queries', grouped=True)}"
        self._measured[f"recall@{k}"] = what
        logger.info("%s", self.stamp)


def _drawn(images: int, number: int) -> Int[Tensor, " drawn"]:
    """So many of the images, all of them where there are fewer, ascending."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(SEED))[:number].sort().values


def _farthest(embedding: Float[Tensor, "images dim"], among: Int[Tensor, " drawn"]) -> Float[Tensor, " images"]:
    """The squared distance of each image to the farthest of some."""
    some = embedding[among].float()
    return torch.cat([squared_distance(part.float(), some).amax(1) for part in embedding.split(SAMPLE)])
