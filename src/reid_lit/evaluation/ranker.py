"""The distances by which a protocol ranks: plain, or of expanded embeddings, or re-ranked."""

import dataclasses
import typing
from collections.abc import Iterator
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.budget import check_bytes
from reid_lit.evaluation.checks import check_lengths, check_marks
from reid_lit.evaluation.distance import BLOCK, DistanceBlocks, joined, pairwise_distance
from reid_lit.evaluation.lists import Columns, Lists
from reid_lit.evaluation.local_blocks import LocalBlocks
from reid_lit.evaluation.protocol import Protocol
from reid_lit.progress import progress
from reid_lit.wording import counted

ROW = 12
"""Bytes of a block for each of its distances: the distance, and the memory that ranking it takes."""


@typing.runtime_checkable
class Blocks(typing.Protocol):
    """Rows of the distance matrix, :data:`BLOCK` at a time, re-ranked or not."""

    def block(self, start: int) -> Float[Tensor, "rows columns"]:
        """Distances of the queries ``start`` to ``start + BLOCK``, until the next call."""


def distance_blocks(
    query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], protocol: Protocol
) -> Blocks:
    """The distances of two images as a protocol has them, of their stripes too; neither expanded nor re-ranked.

    Raises:
        ValueError: embeddings of different length, without the stripes that are compared, or not finite.
    """
    if protocol.local is None:
        return DistanceBlocks(query, gallery, protocol.distance)
    return LocalBlocks(query, gallery, protocol.distance, protocol.local)


def all_distances(
    query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], protocol: Protocol
) -> Float[Tensor, "queries gallery"]:
    """The distance of every query to every gallery entry, as :func:`distance_blocks` gives them."""
    if protocol.local is None:
        return pairwise_distance(query, gallery, protocol.distance)
    blocks = LocalBlocks(query, gallery, protocol.distance, protocol.local)
    parts = [blocks.block(start).clone() for start in range(0, len(query), BLOCK)]
    return torch.cat(parts) if parts else query.new_empty(0, len(gallery))


def check_memory(queries: int, gallery: int, dim: int, protocol: Protocol) -> None:
    """Raise InputError unless the protocol's limit of memory can be met; needs no embedding, so that it can come first.

    Args:
        queries: Number of queries.
        gallery: Number of gallery images that are compared.
        dim: Length of an embedding.
        protocol: How to compare.
    """
    images, rerank, local = queries + gallery, protocol.rerank, 0
    if protocol.local is not None:
        local, dim = protocol.local.needed(gallery, dim), protocol.local.whole if rerank is None else dim
    index = protocol.search.needed(images, dim) if protocol.search is not None else 0
    if protocol.expansion is not None:
        needed = protocol.expansion.needed(queries, gallery, dim) + index
        check_bytes(protocol.memory_limit_gb, needed, work=protocol.expansion.stamp)
    needed = local + (rerank.needed(images, dim, gallery) + index if rerank else ROW * BLOCK * gallery)
    if protocol.identification:
        needed += 8 * protocol.identification_galleries * queries  # the nearest enrolled image of each search
    work = rerank.stamp if rerank else "ranking"
    if (galleries := _galleries(protocol)) > 1:
        work = f"{work}, with open_set {galleries} times over,"
    check_bytes(protocol.memory_limit_gb, galleries * (_copies(images, dim, protocol) + needed), work=work)


def _galleries(protocol: Protocol) -> int:
    """The number of galleries that are held expanded or re-ranked at once: ``open_set`` has a second one."""
    return 2 if protocol.open_set and (protocol.expansion is not None or protocol.rerank is not None) else 1


def check_images(lists: Lists, protocol: Protocol, *, left: str = "") -> None:
    """Raise InputError where expansion or re-ranking needs longer lists of neighbours than there are images.

    Args:
        lists: The images.
        protocol: How they are compared.
        left: Where the gallery is a part of the test's, what was left out, in words.
    """
    gallery = len(lists.gallery_person) - (0 if protocol.junk == "with" else lists.junk)
    for name, length in (("expansion", "k"), ("rerank", "k1")):
        part = getattr(protocol, name)
        alone = getattr(part, "of", "both") == "queries"  # each query looks among the gallery, and is no neighbour
        least = getattr(part, "listed", 0) - alone
        images = gallery if alone else gallery + len(lists.query_person)
        if images < least:
            among = "of the gallery alone" if alone else "queries and gallery together"
            raise InputError(
                f"{length}={getattr(part, length)}: lists of {counted(least, 'image')} cannot be made of {images},"
                f" {among}{left}; give a lower {length}, or set {name}=null"
            )


def _copies(images: int, dim: int, protocol: Protocol) -> int:
    """Bytes of the copies of the embeddings that are held: expanded ones, and those of unit length."""
    return 4 * dim * images * ((protocol.expansion is not None) + (protocol.distance == "cosine"))


class Ranker:
    """Queries, gallery and protocol, and the distances by which they rank; the gallery's junk is left out.

    Expansion, re-ranking and the first matrix product wait until a distance is asked for, and are done once.

    Args:
        query: Embeddings.
        gallery: Embeddings, on the same device.
        lists: Person and camera of each.
        protocol: How to compare and score.

    Attributes:
        query: The queries' embeddings.
        gallery: The gallery's embeddings, junk included.
        lists: The lists, on the embeddings' device.
        protocol: The protocol, its camera rule resolved.
        rule_by_lists: Whether the protocol left the camera rule to the lists (``auto``).
        columns: The gallery entries that the distances' columns are.

    Raises:
        ValueError: embeddings and lists of different number, or unknown clothes or views that are compared; with the
            first distance, embeddings that are not finite or a limit of memory that cannot be met.
    """

    def __init__(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Float[Tensor, "gallery dim"],
        lists: Lists,
        protocol: Protocol,
    ) -> None:
        check_lengths(query, gallery, lists)
        check_marks(lists, protocol)
        self.query, self.gallery = query, gallery
        self.lists = lists.to(query.device)
        self.protocol = dataclasses.replace(protocol, camera_rule=lists.rule(protocol))
        self.rule_by_lists = protocol.camera_rule == "auto"
        self.columns = Columns(self.lists)

    @property
    def by_neighbours(self) -> bool:
        """Whether a distance depends on other images than the two."""
        return self.protocol.by_neighbours

    @cached_property
    def _compared(self) -> Columns:
        """The gallery entries that are compared: those that are ranked, and junk where it may be a neighbour."""
        if not self.by_neighbours or self.protocol.junk == "without":
            return self.columns
        return Columns(self.lists, keep_junk=True)

    @cached_property
    @torch.no_grad()
    def _blocks(self) -> Blocks:
        """The distances to :attr:`_compared`."""
        query, gallery = self.query, self._compared.select(self.gallery)
        limit, search = self.protocol.memory_limit_gb, self.protocol.search
        expansion, rerank = self.protocol.expansion, self.protocol.rerank
        check_memory(len(query), len(gallery), query.shape[1], self.protocol)
        limit = limit and limit / _galleries(self.protocol)
        if expansion is not None:
            query, gallery = expansion(query, gallery, memory_limit_gb=limit, search=search)
        if rerank is None:
            return (
                distance_blocks(query, gallery, self.protocol)
                if expansion is not None
                else self.distances(self._compared)
            )
        if self.protocol.local is not None:
            how = {"kind": self.protocol.distance, "local": self.protocol.local}
            return rerank.blocks(query, gallery, neighbours=None, memory_limit_gb=limit, held=0, **how)
        if self.protocol.distance == "cosine":
            image = F.normalize(joined(query, gallery).float(), dim=1)
            query, gallery = image[: len(query)], image[len(query) :]
        find = search.neighbours if search else None
        held = _copies(len(query) + len(gallery), query.shape[1], self.protocol)
        return rerank.blocks(query, gallery, neighbours=find, memory_limit_gb=limit, held=held)

    def distances(self, columns: Columns) -> Blocks:
        """The distances to some of the gallery, as they are before expansion and re-ranking."""
        return distance_blocks(self.query, columns.select(self.gallery), self.protocol)

    def block(self, start: int) -> Float[Tensor, "rows columns"]:
        """Distances of the queries ``start`` to ``start + BLOCK`` (fewer at the end); ``start`` is a multiple of BLOCK.

        The tensor may be written to, and the next call overwrites it.
        """
        distance = self._blocks.block(start)
        junk_is_in = len(self._compared.index) > len(self.columns.index)
        return distance[:, self.columns.index] if junk_is_in else distance

    def __iter__(self) -> Iterator[tuple[int, Float[Tensor, "rows columns"]]]:
        """All blocks, each with its first row."""
        queries = len(self.lists.query_person)
        with progress("ranking") as tell:
            for start in range(0, queries, BLOCK):
                yield start, self.block(start)
                tell(min(start + BLOCK, queries), queries)

    def with_junk(self) -> tuple[Columns, Blocks]:
        """Every gallery image as a column, and the distances; they are infinite to junk that was not compared."""
        columns = Columns(self.lists, keep_junk=True)
        if not self.by_neighbours:
            return columns, self.distances(columns)
        all_compared = len(self._compared.index) == len(columns.index)
        return columns, self._blocks if all_compared else _Wider(self, len(columns.index))


class _Wider:
    """Distances with a column for each gallery image, infinite where the ranker has none."""

    def __init__(self, ranker: Ranker, gallery: int) -> None:
        self.ranker = ranker
        self.gallery = gallery

    def block(self, start: int) -> Float[Tensor, "rows gallery"]:
        distance = self.ranker.block(start)
        wider = distance.new_full((len(distance), self.gallery), torch.inf)
        wider[:, self.ranker.columns.index] = distance
        return wider
