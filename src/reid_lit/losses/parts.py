"""One loss for each part of an image."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reid_lit.errors import InputError
from reid_lit.losses.criterion import check_smoothing

REDUCTIONS = ("sum", "mean")


class EachPart(nn.Module):
    """A loss on each part alone, or on groups of parts that follow each other in one vector; their sum or their mean.

    Args:
        loss: Called with ``(b d)`` and the persons; gives a scalar.
        reduction: ``sum`` or ``mean`` over the parts or groups.
        groups: The parts of each group, counted from 0, such as ``[[0], [1, 2]]``; None: each part is one.

    Source: Sun et al., "Beyond Part Models", ECCV 2018: the sum of the ID losses of all parts; Wang et al., "Learning
        Discriminative Features with Multiple Granularities", ACM MM 2018; its public codes have the mean.

    Raises:
        ValueError: the reduction is unknown, a group is empty or has a part below 0, or labels are smoothed beyond 1.
    """

    def __init__(self, *, loss: Callable[..., Any], reduction: str, groups: Sequence[Sequence[int]] | None) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise InputError(f"reduction={reduction!r}: choose one of {', '.join(REDUCTIONS)}")
        if groups is not None and (not groups or not all(group and min(group) >= 0 for group in groups)):
            raise InputError(f"groups={groups}: give lists of parts counted from 0, [[0],[1,2]]; null for each part")
        check_smoothing(loss)
        self.loss = loss
        self.reduction = reduction
        self.groups = groups

    def forward(self, parts: Float[Tensor, "batch parts dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar.

        Raises:
            ValueError: a group has a part that is not there.
        """
        count = parts.shape[1]
        groups = [[part] for part in range(count)] if self.groups is None else self.groups
        if max(max(group) for group in groups) >= count:
            raise InputError(f"groups={groups}: the model has the parts 0 to {count - 1}")
        losses = torch.stack([self.loss(parts[:, list(group)].flatten(1), person) for group in groups])
        return losses.sum() if self.reduction == "sum" else losses.mean()
