"""Cluster-Contrast: a softmax over a memory of one vector a cluster, which follows the embeddings."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reid_lit.errors import InputError


class ClusterMemory(nn.Module):
    """The mean over the batch of −log softmax(f · Mᵀ / τ) at the image's cluster; M has a unit vector a cluster.

    Embeddings are brought to unit length. The gradient reaches them alone. In the backward pass, after the losses of
    the batch and before the optimizer's step, the memory follows them: see :func:`follow` and :func:`follow_hardest`.
    Over several ranks whose images the criterion gathers, all have the same memory. It is no part of the weights: who
    clusters sets it by :meth:`restart`. Until then it is 0, and each vector becomes the first that it follows.

    Source: Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022, equations 2 to 4, with
        the order of its public code.

    Args:
        persons: Clusters, or persons, until a restart.
        dim: Channels of what the loss reads.
        temperature: τ, above 0.
        momentum: μ, the share of a vector that is kept, in [0, 1).
        hardest: Whether only the image farthest from its cluster's vector is followed, once a batch.

    Attributes:
        memory: ``(clusters dim)``.

    Raises:
        ValueError: a number is out of range.
    """

    memory: Tensor

    def __init__(self, *, persons: int, dim: int, temperature: float, momentum: float, hardest: bool) -> None:
        super().__init__()
        if not temperature > 0:
            raise InputError(f"temperature={temperature}: give a number above 0")
        if not 0 <= momentum < 1:
            raise InputError(f"momentum={momentum}: the share that is kept; give a number from 0 to below 1")
        self.temperature, self.momentum, self.hardest = temperature, momentum, hardest
        self.register_buffer("memory", torch.zeros(persons, dim), persistent=False)

    def restart(self, centres: Float[Tensor, "clusters dim"]) -> None:
        """Begin anew with these vectors, brought to unit length; there may be another number of them than before."""
        self.memory = F.normalize(centres.to(self.memory), dim=1)

    def forward(self, embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0; in training the memory moves when its gradient is asked for."""
        unit = F.normalize(embedding, dim=1)
        if self.training:
            unit = _Followed.apply(unit, person, self)
        logits = unit @ self.memory.T.clone() / self.temperature  # the memory that moves is another tensor
        return F.cross_entropy(logits, person)


class _Followed(torch.autograd.Function):
    """The same vectors; when their gradient comes back, the memory follows them."""

    @staticmethod
    def forward(ctx: Any, unit: Tensor, person: Tensor, loss: ClusterMemory) -> Tensor:
        ctx.save_for_backward(unit, person)
        ctx.loss = loss
        return unit.view_as(unit)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None, None]:
        unit, person = ctx.saved_tensors
        (follow_hardest if ctx.loss.hardest else follow)(ctx.loss.memory, unit, person, momentum=ctx.loss.momentum)
        return gradient[0], None, None


@torch.no_grad()
def follow(
    memory: Float[Tensor, "clusters dim"],
    unit: Float[Tensor, "batch dim"],
    cluster: Int[Tensor, " batch"],
    *,
    momentum: float,
) -> None:
    """Move vectors: m ← μ m + (1 − μ) f, m ← m / ‖m‖ for one image after another in the order of the batch, in place.

    The images that are the first of their cluster are followed at once, then the second ones, and so on.
    """
    turn = _turns(cluster)
    for each in range(int(turn.max()) + 1):
        now = (turn == each).nonzero()[:, 0]
        _move(memory, cluster[now], unit[now], momentum)


@torch.no_grad()
def follow_hardest(
    memory: Float[Tensor, "clusters dim"],
    unit: Float[Tensor, "batch dim"],
    cluster: Int[Tensor, " batch"],
    *,
    momentum: float,
) -> None:
    """As :func:`follow`, once a cluster: by its image whose product with the vector is least, ties by batch order."""
    order = (unit * memory[cluster]).sum(1).sort(stable=True).indices
    hardest = order[_turns(cluster[order]) == 0]
    _move(memory, cluster[hardest], unit[hardest], momentum)


def _turns(cluster: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """How many images of the same cluster come before each.

    >>> _turns(torch.tensor([4, 2, 4, 4, 2]))
    tensor([0, 0, 1, 2, 1])
    """
    ordered, order = cluster.sort(stable=True)
    _, count = ordered.unique_consecutive(return_counts=True)
    start = (count.cumsum(0) - count).repeat_interleave(count)
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device) - start)


def _move(memory: Tensor, cluster: Tensor, unit: Tensor, momentum: float) -> None:
    memory[cluster] = F.normalize(momentum * memory[cluster] + (1 - momentum) * unit.to(memory), dim=1)
