"""Statistics of batch norms over many batches, as if all of their images were one batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and scatter of the values of each channel, in float64 on the CPU.

    Attributes:
        count: Values of a channel.
        mean: Their mean.
        scatter: The sum of their squared distances to the mean.
    """

    count: int
    mean: Float[Tensor, " channels"]
    scatter: Float[Tensor, " channels"]

    @property
    def variance(self) -> Float[Tensor, " channels"]:
        """The unbiased variance, as a batch norm keeps it."""
        return self.scatter / max(1, self.count - 1)


def moments(values: Float[Tensor, "batch channels *place"]) -> Moments:
    """The moments of a batch, over images and places."""
    over = [axis for axis in range(values.ndim) if axis != 1]
    variance, mean = torch.var_mean(values.float(), dim=over, correction=0)
    count = values.numel() // values.shape[1]
    return Moments(count, mean.double().cpu(), variance.double().cpu() * count)


def merged(first: Moments, second: Moments) -> Moments:
    """The moments of the values of both.

    Source: Chan, Golub and LeVeque, *Updating Formulae and a Pairwise Algorithm for Computing Sample Variances*, 1979,
        eq. 2.1; the update of Li et al. 2016 (AdaBN), section 3.2, is the same.
    """
    count = first.count + second.count
    distance = second.mean - first.mean
    mean = first.mean + distance * (second.count / count)
    scatter = first.scatter + second.scatter + distance.square() * (first.count * second.count / count)
    return Moments(count, mean, scatter)


def batch_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """The batch norms of a network that keep statistics, by name."""
    modules = network.named_modules()
    return {name: part for name, part in modules if isinstance(part, _BatchNorm) and part.running_mean is not None}


@contextmanager
def observed(norms: dict[str, _BatchNorm]) -> Iterator[dict[str, Moments]]:
    """Gives the moments of all that comes into these batch norms from now on, each batch normalised by its own.

    Their running statistics are of no meaning afterwards: see :func:`set_statistics`.
    """
    seen: dict[str, Moments] = {}
    modes = {name: norm.training for name, norm in norms.items()}
    handles = [norm.register_forward_pre_hook(partial(_observe, seen, name)) for name, norm in norms.items()]
    try:
        for norm in norms.values():
            norm.train()
        yield seen
    finally:
        for handle in handles:
            handle.remove()
        for name, norm in norms.items():
            norm.train(modes[name])


def _observe(seen: dict[str, Moments], name: str, _norm: nn.Module, inputs: Sequence[Any]) -> None:
    found = moments(inputs[0].detach())
    seen[name] = merged(seen[name], found) if name in seen else found


def set_statistics(norm: _BatchNorm, found: Moments) -> None:
    """Make these moments the running statistics of a batch norm."""
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("this batch norm keeps no statistics; batch_norms lists those that do")
    norm.running_mean.copy_(found.mean)
    norm.running_var.copy_(found.variance)
