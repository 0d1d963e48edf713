"""Supervised contrastive loss between two views of a batch, such as images and texts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def sup_con_loss(
    anchor: Float[Tensor, "batch dim"], other: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """The mean over i of −(mean over the j of i's person of log softmax_j(anchor_i · other_j)).

    Products are taken as they are: no unit length, no temperature. Every i has a j, itself in the other view.

    Source: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2; between two views with
        temperature 1: the public code of Li et al., "CLIP-ReID", AAAI 2023, equations 4 and 5.

    Args:
        anchor: One view; float32.
        other: The other view of the same rows.
        person: Of each row.
    """
    same = (person[:, None] == person).to(anchor.dtype)
    likely = torch.log_softmax(anchor @ other.T, dim=1)
    return -((same * likely).sum(1) / same.sum(1)).mean()


class SupConLoss(nn.Module):
    """Supervised contrastive loss from one view to another, without a temperature: see :func:`sup_con_loss`."""

    def forward(
        self, anchor: Float[Tensor, "batch dim"], other: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """A scalar ≥ 0."""
        return sup_con_loss(anchor, other, person)
