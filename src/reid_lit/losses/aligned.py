"""Triplet loss of stripes, whose pairs are found by the whole images."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reid_lit.errors import InputError

MATCHINGS = ("dmli", "unaligned")


class LocalTripletLoss(nn.Module):
    """The mean over all anchors of [d_p − d_n + margin]₊, of stripes; the pairs are the hardest by the whole images.

    The farthest positive and the nearest negative of an anchor are those by the Euclidean distance of the features.
    d is the distance of :class:`reid_lit.evaluation.local_distance.LocalDistance`. An anchor without a negative
    counts 0.

    Args:
        margin: Of the distances.
        matching: ``dmli`` or ``unaligned``.

    Source: Luo et al., "AlignedReID++", PR 2019, equations 1 to 5; its public code.

    Raises:
        InputError: the margin is negative, or the matching unknown.
    """

    def __init__(self, *, margin: float, matching: str) -> None:
        super().__init__()
        if margin < 0:
            raise InputError(f"margin={margin}: give a number of at least 0")
        if matching not in MATCHINGS:
            raise InputError(f"matching={matching!r}: choose one of {', '.join(MATCHINGS)}")
        self.margin = margin
        self.matching = matching

    def forward(
        self,
        feature: Float[Tensor, "batch dim"],
        stripes: Float[Tensor, "batch stripes channels"],
        person: Int[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """A scalar ≥ 0."""
        positive, negative, paired = _hardest(feature, person)
        far = stripe_distance(stripes, stripes[positive], self.matching)
        near = stripe_distance(stripes, stripes[negative], self.matching)
        return (far - near + self.margin).clamp_min(0).masked_fill(~paired, 0).sum() / len(feature)


@torch.no_grad()
def _hardest(feature: Tensor, person: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index of the farthest positive and of the nearest negative of each anchor, and whether it has a negative."""
    distance = torch.cdist(feature, feature, compute_mode="donot_use_mm_for_euclid_dist")
    same = person[:, None] == person
    positive = distance.masked_fill(~same, -1).argmax(1)
    return positive, distance.masked_fill(same, torch.inf).argmin(1), (~same).any(1)


def stripe_distance(
    one: Float[Tensor, "pairs stripes channels"], other: Float[Tensor, "pairs stripes channels"], matching: str
) -> Float[Tensor, " pairs"]:
    """The distance of the stripes of each pair, with gradient; that of equal stripes has gradient 0.

    >>> stripe_distance(torch.tensor([[[1.0], [-1.0]]]), torch.tensor([[[1.0], [1.0]]]), "unaligned")
    tensor([0.7616])

    Args:
        one: Stripes of unit length.
        other: Likewise.
        matching: ``dmli`` or ``unaligned``.
    """
    if matching == "unaligned":
        return torch.tanh(torch.linalg.vector_norm(one - other, dim=2) / 2).sum(1)
    cells = torch.tanh(torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist") / 2)
    # padded by infinity, the least sum up to a cell is one minimum over an anti-diagonal at a time
    count = cells.shape[1]
    sums = F.pad(cells[:, :1, 0], (1, count - 1), value=torch.inf)  # slot i + 1: up to row i of the last diagonal
    for diagonal in range(1, 2 * count - 1):
        first, last = max(0, diagonal - count + 1), min(diagonal, count - 1)
        rows = torch.arange(first, last + 1, device=one.device)
        least = torch.minimum(sums[:, first + 1 : last + 2], sums[:, first : last + 1])
        reached = least + cells[:, rows, diagonal - rows]
        sums = F.pad(reached, (first + 1, count - 1 - last), value=torch.inf)
    return sums[:, count]
