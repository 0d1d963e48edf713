"""Re-ranking by a graph of neighbours, in which each image gets the neighbours of its nearest images too."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from reid_lit.evaluation.budget import check_bytes
from reid_lit.evaluation.distance import BLOCK, SLICE, DistanceBlocks
from reid_lit.evaluation.neighbours.exact import Neighbours, check_numbers, neighbours
from reid_lit.progress import progress
from reid_lit.wording import counted

if TYPE_CHECKING:
    import scipy.sparse

ROUNDS = 2
"""How often neighbours are passed on, as in the source."""

ROWS = 2048
"""Rows of the last round whose lengths are computed together."""


class GraphRerank:
    """Re-ranking by the neighbours that two images have in common, after each got those of its nearest images too.

    With A = 1 where j is among the k1 nearest of i (cosine, queries and gallery together, i itself included) and
    S = cos²: twice, A ← A + Aᵀ, A_i ← Σ S_ij A_j over the k2 nearest j, rows to unit length. The distance is
    (1 − λ)(1 − A_q·A_g) + λ(1 − cos), which ranks as the source's score does. k2 = 1 skips the rounds; A_q·A_g is then
    a number of images, up to k1.

    Source: Zhang et al., "Understanding image retrieval re-ranking: a graph neural network perspective", 2020,
        algorithm 1, with the cosine mixed in by λ; k1 = 26 and k2 = 7 are its values for Market-1501.

    Args:
        k1: Neighbours of an image, itself included, from 1.
        k2: Neighbours that pass on theirs, from 1 to k1.
        lambda_value: λ in [0, 1], the weight of the cosine; 1 gives the input ranking.

    Raises:
        ValueError: numbers out of range.
    """

    def __init__(self, *, k1: int = 26, k2: int = 7, lambda_value: float = 0.3) -> None:
        check_numbers(k1=k1, k2=k2, lambda_value=lambda_value)
        self.k1, self.k2, self.lambda_value = k1, k2, lambda_value

    @property
    def stamp(self) -> str:
        """The method and its numbers, in words."""
        return f"graph (k1={self.k1}, k2={self.k2}, λ={self.lambda_value:g})"

    @property
    def listed(self) -> int:
        """Length of the neighbour lists, the image itself included."""
        return self.k1

    @torch.no_grad()
    def blocks(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Float[Tensor, "gallery dim"],
        *,
        neighbours: Callable[..., Neighbours] | None = None,
        memory_limit_gb: float | None = None,
        held: int = 0,
    ) -> "GraphBlocks":
        """The re-ranked distances, computed block by block.

        Args:
            query: Embeddings of any length.
            gallery: Embeddings, on the same device.
            neighbours: How the nearest images are found; None for the exact search.
            memory_limit_gb: What may be used above the embeddings, in GB; None for no limit.
            held: Bytes of the limit that the caller holds meanwhile.

        Raises:
            ValueError: fewer images than k1, embeddings that are not finite, or a limit that cannot be met.
        """
        images = len(query) + len(gallery)
        needed = held + self.needed(images, query.shape[1], len(gallery))
        check_bytes(memory_limit_gb, needed, work=f"re-ranking of {counted(images, 'image')} by a graph")
        image = torch.cat([query, gallery]).float()
        F.normalize(image, out=image)
        find = neighbours or _exact
        near = find(image, k=self.k1, memory_limit_gb=memory_limit_gb, held=held + image.nbytes)
        return GraphBlocks(query, gallery, near, self)

    def needed(self, images: int, dim: int, columns: int) -> int:
        """About the bytes above the embeddings that it takes for ``images``, ``columns`` of them in the gallery.

        They are the copy of the embeddings, the lists, the matrices and the rows of a block. Rows of A grow from k1 to
        2 k1 k2 entries of 8 bytes, those of B to twice that, and as many again while they are added.
        """
        grown = 0 if self.k2 == 1 else 4 * 2 * self.k1 * self.k2
        rows = 8 * BLOCK * columns + 12 * SLICE * torch.get_num_threads() * (images + columns)
        return images * (4 * dim + 20 * self.k1 + 8 * grown) + rows


class GraphBlocks:
    """The rows of the re-ranked distance matrix, :data:`BLOCK` at a time, each call overwriting the one before.

    A of the last round is never held: with S the weights of the k2 nearest and B = A + Aᵀ of the round before (sparse
    and symmetric), A_q·A_g is S_q B (S_g B)ᵀ = (S_q B) B S_gᵀ over the lengths of the rows.

    Args:
        query: Embeddings.
        gallery: Embeddings, on the same device.
        near: The k1 nearest images of each query, then of each gallery entry.
        settings: k1, k2 and λ.
    """

    def __init__(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Float[Tensor, "gallery dim"],
        near: Neighbours,
        settings: GraphRerank,
    ) -> None:
        self.cosine = DistanceBlocks(query, gallery, "cosine")
        self.lambda_value = settings.lambda_value
        index, similarity = near.index.cpu().numpy(), (1 - near.distance / 2).square().cpu().numpy()
        adjacency, k2, queries = _rows(index, np.ones_like(similarity)), settings.k2, len(query)
        self.both: scipy.sparse.csr_matrix | None = None
        self.most, self.length = 1, np.ones(len(index), dtype=np.float32)
        weights = adjacency
        if k2 == 1:
            self.most = settings.k1
        else:
            weights = _rows(index[:, :k2], similarity[:, :k2])
            self.both = _spread(adjacency, weights)
            self.length = _lengths(weights, self.both)
        self.query_weights, self.gallery_weights = weights[:queries], weights[queries:]

    @torch.no_grad()
    def block(self, start: int) -> Float[Tensor, "rows gallery"]:
        """Distances in [0, k1 + 1] of the queries ``start`` to ``start + BLOCK``; ``start`` is a multiple of BLOCK."""
        distance = self.cosine.block(start).mul_(self.lambda_value)
        starts = range(start, start + len(distance), SLICE)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for part, common in zip(distance.split(SLICE), pool.map(self._common, starts), strict=True):
                near = torch.from_numpy(common).to(part)
                part.add_((self.most - near).clamp_min_(0), alpha=1 - self.lambda_value)
        return distance

    def _common(self, start: int) -> np.ndarray:
        """A_q·A_g of :data:`SLICE` queries with the whole gallery, ``(rows gallery)``."""
        queries = self.query_weights.shape[0]
        rows = self.query_weights[start : start + SLICE]
        if self.both is not None:
            rows = rows @ self.both @ self.both
        common = (self.gallery_weights @ np.ascontiguousarray(rows.toarray().T)).T
        common /= self.length[:queries][start : start + SLICE, None]
        common /= self.length[queries:]
        return common


def _exact(embedding: Float[Tensor, "images dim"], **settings: Any) -> Neighbours:
    return neighbours(embedding, **settings)


def _rows(index: np.ndarray, value: np.ndarray) -> "scipy.sparse.csr_matrix":
    """The sparse matrix with ``value`` at the columns ``index`` of each row."""
    from scipy.sparse import csr_matrix  # takes long to import

    images, k = index.shape
    return csr_matrix((value.ravel(), index.ravel(), np.arange(0, images * k + 1, k)), shape=(images, images))


def _spread(adjacency: "scipy.sparse.csr_matrix", weights: "scipy.sparse.csr_matrix") -> "scipy.sparse.csr_matrix":
    """B = A + Aᵀ at the start of the last round."""
    for _ in range(ROUNDS - 1):
        adjacency = weights @ (adjacency + adjacency.T)
        adjacency.data /= np.repeat(_row_lengths(adjacency), np.diff(adjacency.indptr))
    return (adjacency + adjacency.T).tocsr()


def _lengths(weights: "scipy.sparse.csr_matrix", both: "scipy.sparse.csr_matrix") -> np.ndarray:
    """The Euclidean length of each row of ``weights @ both``, which is not held whole."""
    lengths, images = [], weights.shape[0]
    with progress("graph of neighbours") as tell:
        for start in range(0, images, ROWS):
            lengths.append(_row_lengths(weights[start : start + ROWS] @ both))
            tell(min(start + ROWS, images), images)
    return np.concatenate(lengths)


def _row_lengths(matrix: "scipy.sparse.csr_matrix") -> np.ndarray:
    """The Euclidean length of each row; 1e-12 where it is less, so that it can be divided by."""
    total = np.zeros(matrix.shape[0], dtype=np.float32)
    filled = np.diff(matrix.indptr) > 0
    if filled.any():
        total[filled] = np.add.reduceat(matrix.data**2, matrix.indptr[:-1][filled])
    return np.maximum(np.sqrt(total), 1e-12)
