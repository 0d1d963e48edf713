"""k-reciprocal re-ranking, exact: neighbour lists by tiles, everything after that as sparse rows."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.budget import check_bytes
from reid_lit.evaluation.distance import BLOCK, SLICE, DistanceBlocks, joined
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.evaluation.neighbours.encoding import ROWS, Pairs, encode
from reid_lit.evaluation.neighbours.exact import Neighbours, check_numbers, neighbours
from reid_lit.evaluation.neighbours.local import LocalImages
from reid_lit.evaluation.neighbours.sparse import ENTRIES, SparseRows
from reid_lit.progress import progress
from reid_lit.wording import counted

VARIANTS = ("reference", "fastreid", "layumi")

ENTRY = 28
"""Bytes that an entry of the gallery's rows takes while they are turned into inverted lists."""


class KReciprocal:
    """k-reciprocal re-ranking: two images are alike where they share their reciprocal neighbours.

    With D the squared Euclidean distance over the largest of its row, the first k1 + 1 of a row's ranking (the image
    itself included) give R(i, k1), those j that have i among theirs. R* adds R(j, k1/2) for the j of R(i, k1) of which
    more than two thirds are in R(i, k1). V_i is exp(−D) there and 0 elsewhere, sums to 1 and is averaged over the k2
    nearest images. The distance is (1 − λ) J + λ D with J = 1 − Σ min(V_q, V_g) / (2 − Σ min(V_q, V_g)), in [0, 1].

    Source: Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017, equations 1 to
        12, in the authors' public code, which ``reference`` equals. ``fastreid`` is FastReID's evaluator: unit vectors,
        k1 neighbours with the image itself, V = softmax(−squared distance), the cosine distance in place of D.
        ``layumi``: unit vectors, the squared distance squared once more.

    Args:
        k1: Neighbours of an image, from 1.
        k2: Nearest images, itself included, over which V is averaged, from 1 (not at all) to k1.
        lambda_value: λ in [0, 1], the weight of the distance itself; 1 gives the input ranking.
        variant: ``reference``, ``fastreid`` or ``layumi``.

    Raises:
        ValueError: numbers out of range, or an unknown variant.
    """

    def __init__(self, *, k1: int = 20, k2: int = 6, lambda_value: float = 0.3, variant: str = "reference") -> None:
        if variant not in VARIANTS:
            raise InputError(f"variant={variant!r} is unknown; choose one of {', '.join(VARIANTS)}")
        check_numbers(k1=k1, k2=k2, lambda_value=lambda_value)
        self.k1, self.k2, self.lambda_value, self.variant = k1, k2, lambda_value, variant

    @property
    def stamp(self) -> str:
        """The method and its numbers, in words."""
        name = "" if self.variant == "reference" else f" as in {self.variant}, on unit vectors"
        return f"k-reciprocal{name} (k1={self.k1}, k2={self.k2}, λ={self.lambda_value:g})"

    @property
    def takes_local(self) -> bool:
        """Whether it compares stripes too."""
        return self.variant == "reference"

    @property
    def listed(self) -> int:
        """Length of the neighbour lists, the image itself included."""
        return self.k1 + (self.variant != "fastreid")

    @property
    def halved(self) -> int:
        """Length of the lists that may be added."""
        return min(round(self.k1 / 2) + 1, self.listed)

    def needed(self, images: int, dim: int, columns: int) -> int:
        """The most bytes above the embeddings that it takes for ``images``, ``columns`` of them in the gallery.

        R* has at most a third of each added list more than R: two thirds of it are in R already.
        """
        entries = self.listed + (self.listed - 1) * ((self.halved - 1) // 3)
        lists = images * (24 * self.listed + 12 * entries + ENTRY * entries * self.k2)
        chunk = ROWS * self.listed * self.halved * (self.listed + 40) + 100 * max(ENTRIES, ROWS * self.k2 * entries)
        return 4 * images * dim + lists + chunk + 3 * BLOCK * 4 * columns

    def encoded(self, image: Float[Tensor, "images dim"], near: Neighbours, pairs: Pairs | None = None) -> SparseRows:
        """V of each image, before it is averaged; see :func:`~reid_lit.evaluation.neighbours.encoding.encode`."""
        return encode(image, near, self.listed, self.halved, self.variant, pairs)

    @torch.no_grad()
    def blocks(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Float[Tensor, "gallery dim"],
        *,
        neighbours: Callable[..., Neighbours] | None = None,
        memory_limit_gb: float | None = None,
        held: int = 0,
        kind: str = "euclidean",
        local: LocalDistance | None = None,
    ) -> "ReciprocalBlocks":
        """The re-ranked distances, computed block by block.

        Args:
            query: Embeddings, compared as they are by ``reference``, of unit length by the variants.
            gallery: Embeddings, on the same device.
            neighbours: How the nearest images are found; None for the exact search.
            memory_limit_gb: What may be used above the embeddings, in GB; None for no limit.
            held: Bytes of the limit that the caller holds meanwhile.
            kind: Of the whole images' distance, where ``local`` is given.
            local: How stripes are compared: D is then this distance itself over the largest of its row, as in
                AlignedReID++'s public code.

        Raises:
            ValueError: fewer images than k1 + 1, embeddings that are not finite, or a limit that cannot be met.
        """
        images, dim = len(query) + len(gallery), query.shape[1]
        if images < self.listed:
            raise InputError(
                f"k1={self.k1}: lists of {counted(self.listed, 'image')} cannot be made of {images},"
                f" queries and gallery together; give {images - self.listed + self.k1} or less"
            )
        needed = held + self.needed(images, dim, len(gallery))
        check_bytes(memory_limit_gb, needed, work=f"k-reciprocal re-ranking of {counted(images, 'image')}")
        image = joined(query, gallery).float()
        if local is not None:
            images_by_stripes = LocalImages(image, len(query), kind, local)
            near = images_by_stripes.neighbours(self.listed)
            return ReciprocalBlocks(image, len(query), near, self, images_by_stripes)
        if self.variant != "reference":
            image = F.normalize(image, dim=1)
        held += 4 * images * dim
        near = (neighbours or _exact)(image, k=self.listed, memory_limit_gb=memory_limit_gb, held=held)
        return ReciprocalBlocks(image, len(query), near, self)


class ReciprocalBlocks:
    """The rows of the re-ranked distance matrix, :data:`BLOCK` at a time, in one buffer that each call overwrites.

    Args:
        image: Embeddings of the queries, then of the gallery.
        queries: Number of queries.
        near: The nearest images of each.
        settings: k1, k2, λ and the variant.
        local: Gives the distances where stripes are compared too; None: squared Euclidean ones.
    """

    def __init__(
        self,
        image: Float[Tensor, "images dim"],
        queries: int,
        near: Neighbours,
        settings: KReciprocal,
        local: LocalImages | None = None,
    ) -> None:
        self.distance = DistanceBlocks(image[:queries], image[queries:]) if local is None else local.distance
        self.squares = local is None
        self.settings = settings
        self.farthest = near.farthest[:queries].clamp_min(torch.finfo(torch.float32).tiny)
        encoding = settings.encoded(image, near, local.pairs if local else None)
        nearest = near.index[:, : settings.k2]
        self.queries = means(encoding, nearest[:queries])
        self.lists = means(encoding, nearest[queries:]).transposed()
        self.shared = image.new_empty(BLOCK, len(image) - queries)

    @torch.no_grad()
    def block(self, start: int) -> Float[Tensor, "rows gallery"]:
        """Distances of the queries ``start`` to ``start + BLOCK`` (fewer at the end); ``start`` is a multiple of BLOCK.

        In [0, 1]; by ``fastreid`` in [0, 1 + λ]. The tensor may be written to, and the next call overwrites it.
        """
        distance = self.distance.block(start)
        rows = slice(start, start + len(distance))
        shared = self.shared[: len(distance)].zero_()
        self.queries[rows].add_minima(self.lists, shared)
        parts = (part.split(SLICE) for part in (distance, shared, self.farthest[rows, None]))
        for part, common, farthest in zip(*parts, strict=True):
            self._scale(part.square_() if self.squares else part, farthest)
            common.clamp_max_(1).div_(2 - common)
            part.add_(1 - self.settings.lambda_value).sub_(common, alpha=1 - self.settings.lambda_value).clamp_min_(0)
        return distance

    def _scale(self, squared: Float[Tensor, "rows gallery"], farthest: Float[Tensor, "rows 1"]) -> None:
        """Turn squared Euclidean distances into their share of the re-ranked distance, in place."""
        if self.settings.variant == "fastreid":
            squared.mul_(self.settings.lambda_value / 2)
        elif self.settings.variant == "layumi":
            squared.div_(farthest).square_().mul_(self.settings.lambda_value)
        else:
            squared.mul_(self.settings.lambda_value / farthest)


def means(encoding: SparseRows, nearest: Int[Tensor, "images k2"]) -> SparseRows:
    """V of some images, averaged over the k2 nearest of each."""
    parts, done = [], 0
    with progress("means over neighbours") as tell:
        for part in nearest.split(ROWS):
            parts.append(encoding.means(part))
            done += len(part)
            tell(done, len(nearest))
    return SparseRows.join(parts)


def _exact(image: Float[Tensor, "images dim"], **settings: int | float | None) -> Neighbours:
    return neighbours(image, **settings)  # type: ignore[arg-type]
