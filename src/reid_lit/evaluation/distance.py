"""Distances between embeddings, the same to the last bit for any number of queries at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.wording import counted

BLOCK = 512
"""Queries in one matrix product. Always as many, the last block padded: a product of another shape rounds otherwise."""

SLICE = 128
"""Rows that are turned from products into distances together; so many stay in a processor's cache."""


def pairwise_distance(
    query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], kind: str = "euclidean"
) -> Float[Tensor, "queries gallery"]:
    """The distance of every query to every gallery entry, without gradient.

    >>> pairwise_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[5., 0.]])

    Args:
        query: Embeddings; float64 gives float64, anything else is computed in float32, autocast and TF32 or not.
        gallery: Embeddings on the same device.
        kind: ``euclidean``, the root of the summed squares, in [0, ∞); or ``cosine``, 1 − cos, in [0, 2].

    Raises:
        ValueError: an unknown kind, embeddings of different length, or values that are not finite.
    """
    blocks = DistanceBlocks(query, gallery, kind)
    distance = blocks.query.new_empty(len(query), len(gallery))
    for start in range(0, len(query), BLOCK):
        rows = distance[start : start + BLOCK]
        rows.copy_(blocks.block(start)[: len(rows)])
    return distance


class DistanceBlocks:
    """The rows of the distance matrix, :data:`BLOCK` at a time, in one buffer that each call overwrites.

    Args:
        query: ``(queries dim)`` embeddings.
        gallery: ``(gallery dim)`` embeddings.
        kind: ``euclidean`` or ``cosine``.

    Raises:
        ValueError: an unknown kind, embeddings of different length, or values that are not finite.
    """

    def __init__(
        self, query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], kind: str = "euclidean"
    ) -> None:
        if kind not in ("euclidean", "cosine"):
            raise InputError(f"distance={kind!r} is unknown; choose euclidean or cosine")
        if query.shape[1] != gallery.shape[1]:
            raise InputError(
                f"query embeddings have {counted(query.shape[1], 'number')}, gallery embeddings {gallery.shape[1]}; "
                "embed both with one model"
            )
        self.kind = kind
        dtype = torch.float64 if torch.float64 in (query.dtype, gallery.dtype) else torch.float32
        self.query, self.query_squares = prepare(query, "query", kind, dtype)
        self.gallery, self.gallery_squares = prepare(gallery, "gallery", kind, dtype)
        self.buffer = self.query.new_empty(BLOCK, len(gallery))

    @torch.no_grad()
    def block(self, start: int) -> Float[Tensor, "rows gallery"]:
        """Distances of the queries ``start`` to ``start + BLOCK`` (fewer at the end); ``start`` is a multiple of BLOCK.

        The tensor is a view of the buffer: it may be written to, and the next call overwrites it.
        """
        rows = self.query[start : start + BLOCK]
        padded = F.pad(rows * (-1 if self.kind == "cosine" else -2), (0, 0, 0, BLOCK - len(rows)))
        with full_precision(padded.device):
            torch.mm(padded, self.gallery.T, out=self.buffer)
        distance = self.buffer[: len(rows)]
        squares = self.query_squares[start : start + BLOCK, None]
        for part, part_squares in zip(distance.split(SLICE), squares.split(SLICE), strict=True):
            if self.kind == "cosine":
                part.add_(1).clamp_min_(0)
            else:
                part.add_(self.gallery_squares).add_(part_squares).clamp_min_(0).sqrt_()
        return distance


def joined(query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"]) -> Float[Tensor, "images dim"]:
    """The embeddings of the queries, then of the gallery; a view, no copy, where memory holds them so."""
    whole = query.dtype == gallery.dtype and query.is_contiguous() and gallery.is_contiguous()
    same = query.untyped_storage().data_ptr() == gallery.untyped_storage().data_ptr()
    if whole and same and gallery.storage_offset() == query.storage_offset() + query.numel():
        return query.as_strided((len(query) + len(gallery), query.shape[1]), query.stride())
    return torch.cat([query, gallery])


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Products of float32 in float32: neither autocast, nor TF32 (CUDA), nor bfloat16 (CPU, ``medium``)."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@torch.no_grad()
def prepare(
    embedding: Float[Tensor, "images dim"], role: str, kind: str, dtype: torch.dtype
) -> tuple[Float[Tensor, "images dim"], Float[Tensor, " images"]]:
    """The embedding in the dtype of the computation (of unit length for the cosine) and its squared length.

    Args:
        embedding: As the model gave it.
        role: What it is of, for the message: ``query``, ``gallery``, …
        kind: ``euclidean`` or ``cosine``.
        dtype: Of the computation.

    Raises:
        ValueError: an embedding is not finite.
    """
    embedding = embedding.detach().to(dtype)
    length = finite_lengths(embedding, role)
    return (F.normalize(embedding, dim=1) if kind == "cosine" else embedding), length.square()


def finite_lengths(embedding: Float[Tensor, "images dim"], role: str) -> Float[Tensor, " images"]:
    """The lengths of embeddings; raises InputError where one is not finite.

    Args:
        embedding: On any device.
        role: What it is of, for the message: ``query``, ``gallery``, …

    Raises:
        ValueError: an embedding is not finite.
    """
    length = torch.linalg.vector_norm(embedding, dim=1)
    broken = (~length.isfinite()).nonzero().flatten().tolist()
    if broken:
        raise InputError(
            f"{len(broken)} of {len(embedding)} {role} embeddings are not finite, the first at {broken[:3]}; "
            "the model diverged, or ran in a precision that is too low"
        )
    return length
