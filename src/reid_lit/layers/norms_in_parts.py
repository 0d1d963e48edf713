"""Batch norms that see the images of a batch apart: so many at a time, or those of each domain."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from reid_lit.errors import InputError
from reid_lit.layers.norm_statistics import batch_norms


def use_ghost_batches(network: nn.Module, images: int) -> None:
    """Let all batch norms of a network normalise parts of a batch by their own statistics, in training.

    So a batch on one GPU is normalised as if it were shared among several. A batch is cut into as many parts of equal
    size as hold ``images`` or more. The running statistics go as far in a step as without: each part moves them by
    1 − (1 − m)^(1 / parts). No weight gets another name.

    Source: Hoffer et al., "Train longer, generalize better", NeurIPS 2017, Algorithm 1 (Ghost Batch Normalization).

    Args:
        network: Changed in place.
        images: Of a part.

    Raises:
        ValueError: a variance needs two images or more.
    """
    if images < 2:
        raise InputError(f"ghost_batch={images}: a variance needs 2 images or more; null for the whole batch")
    for norm in batch_norms(network).values():
        norm.forward = partial(_in_parts, norm, images)  # type: ignore[method-assign]


def _in_parts(norm: _BatchNorm, images: int, values: Tensor) -> Tensor:
    whole, parts = type(norm).forward, len(values) // images
    if not norm.training or parts < 2:
        return whole(norm, values)
    momentum = norm.momentum
    norm.momentum = None if momentum is None else 1 - (1 - momentum) ** (1 / parts)
    try:
        return torch.cat([whole(norm, part) for part in values.tensor_split(parts)])
    finally:
        norm.momentum = momentum


def seen_together(norm: _BatchNorm, images: int) -> int:
    """How many images of so many a batch norm takes the statistics of together, in training."""
    forward = vars(norm).get("forward")
    if isinstance(forward, partial) and forward.func is _in_parts:
        return images // max(1, images // forward.args[1])
    return images


class SourceNorms(nn.Module):
    """Batch norms for the images of a source, copies of a network's own, which are those of the target.

    Args:
        network: Its batch norms are copied, in their order; they keep their names, and are what a test uses.

    Source: Chang et al., "Domain-Specific Batch Normalization for Unsupervised Domain Adaptation", CVPR 2019.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(norm) for norm in batch_norms(network).values())

    def begin(self, network: nn.Module) -> None:
        """Let them begin as the network's own are now, weights and statistics."""
        for norm, other in zip(batch_norms(network).values(), self.copies, strict=True):
            other.load_state_dict(norm.state_dict())

    @contextmanager
    def used(self, network: nn.Module) -> Iterator[None]:
        """Let the network that was copied from normalise by the source's norms."""
        norms = list(batch_norms(network).values())
        own = [vars(norm).get("forward") for norm in norms]
        for norm, other in zip(norms, self.copies, strict=True):
            norm.forward = other.forward  # type: ignore[method-assign]
        try:
            yield
        finally:
            for norm, forward in zip(norms, own, strict=True):
                if forward is None:
                    del norm.forward
                else:
                    norm.forward = forward  # type: ignore[method-assign]
