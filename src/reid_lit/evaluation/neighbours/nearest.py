"""The nearest gallery entries of each query, by blocks of the matrix product; the gallery may be on disk."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.budget import size_within
from reid_lit.evaluation.distance import BLOCK, full_precision
from reid_lit.progress import progress
from reid_lit.wording import counted

FIRST = 256
"""Gallery entries in the first block. Blocks double from there on, and few entries of each are near enough to keep."""

COLUMNS = 16384
"""Gallery entries in one matrix product."""

FEWEST_COLUMNS = 256
"""The least number of them under a limit of memory."""

GATHERED = 2**22
"""Numbers of gathered embeddings at a time, where the distances of single pairs are computed (16 MB)."""

Gallery = Float[Tensor, "gallery dim"] | Float[np.ndarray, "gallery dim"]
"""Embeddings in memory, or an array that may be mapped from a file."""


@dataclass(frozen=True)
class NearestEntries:
    """The nearest gallery entries of each query, nearest first, ties by lower index.

    Attributes:
        index: ``(queries k)`` int64, gallery indices.
        distance: ``(queries k)`` float32, squared Euclidean distances in [0, ∞); 2 − 2 cos for unit vectors.
    """

    index: Int[Tensor, "queries k"]
    distance: Float[Tensor, "queries k"]


@torch.no_grad()
def nearest(
    query: Float[Tensor, "queries dim"],
    gallery: Gallery,
    *,
    k: int,
    unit: bool = False,
    memory_limit_gb: float | None = None,
    held: int = 0,
) -> NearestEntries:
    """The k nearest gallery entries of each query, exact in float32; a gallery on disk is read once.

    Args:
        query: Embeddings.
        gallery: Embeddings: a tensor on the same device, or an array (``np.load(…, mmap_mode="r")``).
        k: Entries a query, from 1.
        unit: Compare the embeddings at unit length: by their cosine.
        memory_limit_gb: What may be used above the embeddings, in GB; None for no limit.
        held: Bytes of the limit that the caller holds meanwhile.

    Raises:
        ValueError: fewer than k gallery entries, embeddings that are not finite, or a limit that cannot be met.
    """
    check_number(k, len(gallery))
    queries, dim = query.shape
    columns = size_within(
        memory_limit_gb,
        work=f"the search for the {k} nearest of {counted(len(gallery), 'image')}",
        fixed=held + queries * (12 * k + 4 * dim * unit),
        each=8 * dim + 16 * BLOCK,
        most=COLUMNS,
        least=FEWEST_COLUMNS,
    )
    query = rows_of(query, 0, len(query), query.device, unit=unit)
    distance = query.new_full((len(query), k), torch.inf)
    index = torch.full_like(distance, -1, dtype=torch.int64)
    with progress("nearest gallery entries") as tell:
        for start, stop in _spans(len(gallery), columns):
            rows = rows_of(gallery, start, stop, query.device, unit=unit)
            for block, best, place in zip(query.split(BLOCK), distance.split(BLOCK), index.split(BLOCK), strict=True):
                _keep_nearest(best, place, squared_distance(block, rows), start)
            tell(stop, len(gallery))
    return NearestEntries(index, distance)


def check_number(k: int, images: int) -> None:
    """Raise InputError unless k is from 1 to the number of images."""
    if not 1 <= k <= images:
        raise InputError(f"k={k} nearest of {counted(images, 'image')}: give a k from 1 to {images}")


def rows_of(gallery: Gallery, start: int, stop: int, device: torch.device, *, unit: bool) -> Float[Tensor, "rows dim"]:
    """The embeddings ``start`` to ``stop`` in float32 on the device; with ``unit`` at unit length.

    Raises:
        ValueError: embeddings that are not finite.
    """
    part = gallery[start:stop]
    # np.array copies: torch warns of memory that is mapped read-only
    rows = (part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))).to(device, torch.float32)
    broken = (~torch.linalg.vector_norm(rows, dim=1).isfinite()).nonzero()[:, 0]
    if len(broken):
        raise InputError(
            f"{len(broken)} of the embeddings {start} to {stop - 1} are not finite, the first at "
            f"{[start + i for i in broken[:3].tolist()]}; the model diverged, or ran in a precision that is too low"
        )
    return F.normalize(rows, dim=1) if unit else rows


@torch.no_grad()
def squared_distance(
    query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"]
) -> Float[Tensor, "queries gallery"]:
    """The squared Euclidean distances of all pairs, in full float32."""
    with full_precision(query.device):
        distance = torch.addmm(gallery.square().sum(1), query, gallery.T, alpha=-2)
    return distance.add_(query.square().sum(1, keepdim=True)).clamp_min_(0)


@torch.no_grad()
def pair_distance(
    query: Float[Tensor, "queries dim"], gallery: Gallery, index: Int[Tensor, "queries k"], *, unit: bool = False
) -> Float[Tensor, "queries k"]:
    """The squared Euclidean distance of each query to the gallery entries ``index``."""
    distance = torch.empty(index.shape, device=query.device)
    step = max(1, GATHERED // (index.shape[1] * query.shape[1]))
    for start in range(0, len(query), step):
        place = index[start : start + step]
        part = gallery[place.flatten()] if isinstance(gallery, Tensor) else gallery[place.flatten().cpu().numpy()]
        entries = rows_of(part, 0, len(part), query.device, unit=unit).view(*place.shape, -1)
        queries = rows_of(query, start, start + len(place), query.device, unit=unit)
        distance[start : start + step] = (entries - queries[:, None]).square().sum(2)
    return distance


def in_order(entries: NearestEntries, k: int) -> NearestEntries:
    """The first k entries, nearest first, ties by lower index."""
    index, by_index = entries.index.sort(dim=1)
    distance, order = entries.distance.gather(1, by_index).sort(dim=1, stable=True)
    return NearestEntries(index.gather(1, order)[:, :k].contiguous(), distance[:, :k].contiguous())


def with_itself(entries: NearestEntries) -> NearestEntries:
    """The lists with each image at distance 0 from itself, in place of the last where an index left it out."""
    image = torch.arange(len(entries.index), device=entries.index.device)[:, None]
    itself = entries.index == image
    itself[:, -1] |= ~itself.any(1)
    index = torch.where(itself, image, entries.index)
    return in_order(NearestEntries(index, entries.distance.masked_fill(itself, 0)), index.shape[1])


def recall(approximate: Int[Tensor, "queries k"], exact: Int[Tensor, "queries k"]) -> float:
    """The share of the exact neighbours that an approximate search found, in [0, 1].

    >>> recall(torch.tensor([[4, 2, 7]]), torch.tensor([[2, 4, 1]]))
    0.6666666666666666

    Args:
        approximate: Indices of what was found, in any order.
        exact: Indices of the nearest, in any order.
    """
    hits = sum(int((approximate == column[:, None]).any(1).sum()) for column in exact.T)
    return hits / max(1, exact.numel())


def _spans(images: int, columns: int) -> Iterator[tuple[int, int]]:
    """Start and stop of each block of the gallery: as many images as all before it, from FIRST to ``columns``."""
    start = 0
    while start < images:
        stop = min(start + min(max(start, FIRST), columns), images)
        yield start, stop
        start = stop


def _keep_nearest(
    best: Float[Tensor, "rows k"], place: Int[Tensor, "rows k"], distance: Float[Tensor, "rows columns"], start: int
) -> None:
    """Put nearer entries into ``best`` and ``place``; of equal distances the earlier stays: its index is lower."""
    near = distance < best[:, -1:]
    count = near.sum(1)
    row, column = near.nonzero(as_tuple=True)
    if not len(row):
        return
    slot = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    offered = best.new_full((len(best), int(count.max())), torch.inf)
    offered[row, slot] = distance[row, column]
    where = torch.full_like(offered, -1, dtype=torch.int64)
    where[row, slot] = start + column
    ordered, order = torch.cat([best, offered], dim=1).sort(dim=1, stable=True)
    best.copy_(ordered[:, : best.shape[1]])
    place.copy_(torch.cat([place, where], dim=1).gather(1, order[:, : best.shape[1]]))
