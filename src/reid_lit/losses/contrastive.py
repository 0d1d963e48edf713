"""Contrastive loss over all pairs of a batch."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reid_lit.errors import InputError


def contrastive_loss(
    embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"], *, margin: float
) -> Float[Tensor, ""]:
    """The mean over all unordered pairs of d² for two images of a person, of [margin − d]₊² for two of different ones.

    A batch of one image has no pair and the loss 0; the distance of two equal images has gradient 0.

    Source: Hadsell et al., *Dimensionality Reduction by Learning an Invariant Mapping*, CVPR 2006, eq. 4, without its
        factors of a half, as Li et al. write it (ARN, CVPR Workshops 2018, eq. 3).

    Args:
        embedding: Compared by Euclidean distance, as it is; float32.
        person: Who is on each image.
        margin: m, the distance from which two persons are far enough apart.
    """
    first, second = torch.triu_indices(len(person), len(person), offset=1, device=person.device)
    # by differences: exact for near images far from the origin, as a matrix product is not; gradient 0 at distance 0
    distance = torch.cdist(embedding, embedding, compute_mode="donot_use_mm_for_euclid_dist")[first, second]
    same = person[first] == person[second]
    pairs = torch.where(same, distance.square(), (margin - distance).clamp_min(0).square())
    return pairs.sum() / max(len(pairs), 1)


class ContrastiveLoss(nn.Module):
    """Contrastive loss.

    Args:
        margin: m.

    Source: Li et al., *Adaptation and Re-Identification Network*, CVPR Workshops 2018, eq. 3, which gives neither the
        margin nor how the pairs are reduced.

    Raises:
        ValueError: the margin is not positive.
    """

    def __init__(self, *, margin: float) -> None:
        super().__init__()
        if margin <= 0:
            raise InputError(f"margin={margin}: give a number above 0, or nothing pushes two persons apart")
        self.margin = margin

    def forward(self, embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0."""
        return contrastive_loss(embedding, person, margin=self.margin)
