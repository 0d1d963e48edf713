"""Circle loss over all pairs of a batch."""

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Gt, Lt
from jaxtyping import Float, Int
from torch import Tensor, nn

_FLOOR = -1e9


def circle_loss(
    embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"], *, margin: float, gamma: float
) -> Float[Tensor, ""]:
    """One number for the whole batch: every unordered pair is a term, no anchor is singled out.

    L = softplus(LSE_n[γ α_n (s_n − m)] + LSE_p[−γ α_p (s_p − (1 − m))]) with s the cosine of a pair,
    α_p = [1 + m − s_p]₊ and α_n = [s_n + m]₊ (both constants for the gradient). Without a positive or without a
    negative pair it is 0.

    Source: Sun et al., *Circle Loss*, CVPR 2020, eq. 4–8.
    """
    unit = F.normalize(embedding)
    first, second = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
    similarity = (unit @ unit.T)[first, second]
    same = person[first] == person[second]
    push = gamma * (similarity.detach() + margin).clamp_min(0) * (similarity - margin)
    pull = -gamma * (1 + margin - similarity.detach()).clamp_min(0) * (similarity - (1 - margin))
    # a finite floor instead of −inf: without a pair of a kind the loss is 0 and its gradient too, not NaN
    return F.softplus(push.masked_fill(same, _FLOOR).logsumexp(0) + pull.masked_fill(~same, _FLOOR).logsumexp(0))


class CircleLoss(nn.Module):
    """Circle loss, divided by the batch size as the softmax baseline does.

    Args:
        margin: m, in (-1, 1); below 0 a pair is left alone before it is right.
        gamma: γ > 0, the scale of the similarities.

    Source: layumi/Person_reID_baseline_pytorch ``--circle``.
    """

    def __init__(self, *, margin: Annotated[float, Gt(-1), Lt(1)], gamma: Annotated[float, Gt(0)]) -> None:
        super().__init__()
        self.margin = margin
        self.gamma = gamma

    def forward(self, embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0."""
        return circle_loss(embedding, person, margin=self.margin, gamma=self.gamma) / len(embedding)
