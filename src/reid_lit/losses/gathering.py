"""The rows of all ranks, so that a loss sees the whole batch of a training step."""

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed

from reid_lit.errors import InputError


def ranks() -> int:
    """The number of processes that train together; 1 for one that works alone."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(value: Shaped[Tensor, "share *row"]) -> Shaped[Tensor, "batch *row"]:
    """The rows of all ranks in the order of the ranks, which is that of one process; differentiable.

    Every rank computes the same loss L(x_1, …, x_W) of the rows x_r = f_r(θ) of all W ranks. Rank r holds the graph of
    its own rows alone, and DDP averages over the ranks what each finds for the parameters θ. So the gradient of the own
    rows is multiplied by W: (1/W) Σ_r W · ∂L/∂x_r · ∂x_r/∂θ = dL/dθ, the gradient of one process. What a loss does
    behind this, such as with parameters of its own, is the same on all ranks, and so is its mean. An all-gather of
    ``torch.distributed.nn`` comes to the same by summing W equal gradients over the ranks; here nothing is sent back.

    Args:
        value: This rank's rows, as many as on any other rank (see :func:`check_equal`); the same in one process.
    """
    return value if ranks() == 1 else _AllRows.apply(value)


def check_equal(rows: int, device: torch.device) -> None:
    """Refuse ranks that hold other numbers of rows; every rank takes part, and all of them refuse.

    Args:
        rows: Of this rank.
        device: Of the rows.

    Raises:
        InputError: the numbers differ: the mean over the ranks would not be that over the batch.
    """
    if ranks() == 1:
        return
    counts = [torch.zeros((), dtype=torch.int64, device=device) for _ in range(ranks())]
    distributed.all_gather(counts, torch.tensor(rows, device=device))
    numbers = [int(count) for count in counts]
    if len({*numbers}) > 1:
        raise InputError(
            f"the ranks hold {', '.join(map(str, numbers))} images of one batch: unequal shares are not one batch's"
            f" loss; let the sampler deal equal ones, as EpochSampler does"
        )


class _AllRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        parts = [torch.empty_like(value, memory_format=torch.contiguous_format) for _ in range(ranks())]
        distributed.all_gather(parts, value.contiguous())
        ctx.share = len(value)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Tensor:
        start = distributed.get_rank() * ctx.share
        return ranks() * gradient[0][start : start + ctx.share]
