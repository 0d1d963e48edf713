"""The Jaccard distances of k-reciprocal neighbours that are small, as sparse rows: what images are clustered by."""

import torch
from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.budget import check_bytes
from reid_lit.evaluation.neighbours.exact import check_numbers, neighbours, where
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal, means
from reid_lit.evaluation.neighbours.sparse import SparseRows
from reid_lit.progress import progress
from reid_lit.wording import counted

SUMS = 1 << 21
"""Sums that are worked on at once: few enough for a processor's cache."""

ROUNDING = 1e-5
"""By how much a sum of minima may be rounded."""


@torch.no_grad()
def jaccard_neighbours(
    embedding: Float[Tensor, "images dim"], *, k1: int, k2: int, reach: float, memory_limit_gb: float | None = None
) -> SparseRows:
    """The images within a Jaccard distance of each, with that distance; exact, and never images × images.

    V_i has softmax(−‖x_i − x_j‖²) at the members j of R*(i), the k1-reciprocal neighbours of unit vectors with what
    their half as large lists add, and 0 elsewhere; it is averaged over the k2 nearest images. The distance of i and
    j is 1 − s / (2 − s) with s = Σ_c min(V_i(c), V_j(c)). Images that share no member are 1 apart, so that an inverted
    list of the members finds all pairs that are nearer.

    Source: Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017, equations 4 to
        10, as the public code of Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022,
        has them: the lists of k1 begin with the image itself, those of k1/2 do not count it, and nothing of the
        distance itself is mixed in.

    Args:
        embedding: Embeddings; they are brought to unit length.
        k1: Neighbours of an image, itself included, from 2 to the number of images.
        k2: Nearest images, itself included, over which V is averaged, from 1 (not at all) to k1.
        reach: The largest distance that is given, in (0, 1).
        memory_limit_gb: What may be used above the embeddings, in GB; None for no limit.

    Returns:
        For each image, itself among them at 0, those within ``reach``: their columns, and distances in [0, reach].

    Raises:
        ValueError: a number is out of range, there are fewer images than k1, an embedding is not finite, or the limit
            cannot be met.
    """
    check_jaccard(k1=k1, k2=k2, reach=reach)
    images, dim = embedding.shape
    if images < k1:
        raise InputError(f"k1={k1}: lists of {counted(k1, 'image')} cannot be made of {images}; give {images} or less")
    sets = KReciprocal(k1=k1, k2=k2, lambda_value=0.0, variant="fastreid")
    needed = sets.needed(images, dim, 0) + 4 * SUMS
    check_bytes(memory_limit_gb, needed, work=f"the Jaccard distance of {counted(images, 'image')}")
    unit = torch.nn.functional.normalize(embedding.float(), dim=1)
    near = neighbours(unit, k=k1, memory_limit_gb=memory_limit_gb, held=4 * images * dim)
    weights = means(sets.encoded(unit, near), near.index[:, :k2])
    del unit, near
    return _within(weights, reach)


def check_jaccard(*, k1: int, k2: int, reach: float) -> None:
    """Raise InputError unless Jaccard distances up to ``reach`` can be computed by these numbers of neighbours."""
    check_numbers(k1=k1, k2=k2, lambda_value=0.0)
    if k1 < 2:
        raise InputError(f"k1={k1}: the image itself is one of them; give 2 or more neighbours")
    if not 0 < reach < 1:
        raise InputError(
            f"eps={reach}: a Jaccard distance is in [0, 1], and images that share no neighbour are 1 apart; give a"
            " number above 0 and below 1"
        )


def _within(weights: SparseRows, reach: float) -> SparseRows:
    """The pairs of rows whose Jaccard distance is at most ``reach``; each pair is compared once."""
    lists, images = weights.transposed(), len(weights)
    rows = max(1, SUMS // images)
    least = (2 - 2 * reach) / (2 - reach) - ROUNDING  # of Σ min for a distance of reach
    sums, before = weights.value.new_empty(rows, images), torch.zeros_like(lists.count)
    keys, values = [], []
    with progress("Jaccard distances") as tell:
        for start in range(0, images, rows):
            part = weights[start : min(start + rows, images)]
            shared = sums[: len(part)]
            shared[:, start:].zero_()
            part.add_minima(lists, shared, skipped=before)  # the rows before have been compared with these
            before += part.column.long().bincount(minlength=images)
            row, column = where(shared[:, start:] >= least)
            common = shared[row, start + column].clamp_max_(1)
            distance = (1 - common / (2 - common)).clamp_min_(0)
            kept = distance <= reach
            one, other, distance = start + row[kept], start + column[kept], distance[kept]
            later = other >= start + len(part)
            keys += [one * images + other, (other * images + one)[later]]
            values += [distance, distance[later]]
            tell(start + len(part), images)
    key, order = torch.cat(keys).sort()
    return SparseRows.of(key, torch.cat(values)[order], images, images)
