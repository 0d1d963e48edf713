"""Whether a first round of clusters damages the network that it starts from, seen without labels."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

_END = 4
"""A round ends with the last of so many parts of its steps."""


def feature_spread(features: Float[Tensor, "images dim"]) -> float:
    """The mean distance of the unit features to their mean: 0 where all are alike, at most 1."""
    unit = F.normalize(features, dim=1)
    return float((unit - unit.mean(0)).norm(dim=1).mean())


def damage(
    losses: Sequence[Float[Tensor, ""]], *, vectors: int, before: float, after: float, rate: float
) -> str | None:
    """What a first round has done, in words with the cure; None: no damage is seen.

    Damage is seen where the spread of the features is halved, or smaller while the loss ends above chance.

    Args:
        losses: Of each step, −log softmax over the memory, not weighted.
        vectors: Of the memory; chance is a loss of ln(vectors).
        before: The :func:`feature_spread` that the round started with.
        after: That it ended with.
        rate: ``optimizer.lr`` in the round.
    """
    end, chance = float(torch.stack(list(losses[-max(1, len(losses) // _END) :])).mean()), math.log(vectors)
    if after >= before or (after > before / 2 and end <= chance):
        return None
    return (
        f"round 0 ends with a loss of {end:.2f}, and {chance:.2f} is chance among {vectors} vectors; the spread of the"
        f" features went from {before:.2f} to {after:.2f}: the start is damaged, and later rounds have to learn it"
        f" anew; lower optimizer.lr, now {rate:g}"
    )
