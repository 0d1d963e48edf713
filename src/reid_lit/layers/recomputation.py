"""Activations that are given up in the forward pass and computed again when the backward pass needs them."""

import functools
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from reid_lit.layers.norm_statistics import batch_norms

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_WEIGHTS = 2
"""Layers with weights that a block has at least."""


def recomputed(function: Callable[..., Any], *inputs: Any, norms: Collection[_BatchNorm], **options: Any) -> Any:
    """What a function gives of its inputs; its activations are not kept, the backward pass computes them again.

    It computes them in the same random state and precision, and leaves the statistics of batch norms alone, which have
    seen these values already. So gradients, statistics and what is drawn later are those of the function itself.

    Args:
        function: Of tensors, or of lists of them.
        inputs: Its arguments.
        norms: The batch norms in it.
        options: Its named arguments.

    Source: Chen et al., *Training Deep Nets with Sublinear Memory Cost*, 2016, Algorithm 1.
    """
    if not torch.is_grad_enabled():
        return function(*inputs, **options)
    leaves, shape = pytree.tree_flatten(inputs)  # an outer recomputation looks for tensors, and not into lists

    def of_leaves(*values: Any) -> Any:
        return function(*pytree.tree_unflatten([*values], shape), **options)

    return checkpoint(
        of_leaves, *leaves, use_reentrant=False, context_fn=lambda: (nullcontext(), statistics_kept(norms))
    )


@contextmanager
def statistics_kept(norms: Collection[_BatchNorm]) -> Iterator[None]:
    """Within it batch norms write their statistics into copies, which are then forgotten."""
    buffers = [(norm, dict(norm._buffers)) for norm in norms]
    for norm, own in buffers:
        norm._buffers.update({name: None if value is None else value.clone() for name, value in own.items()})
    try:
        yield
    finally:
        for norm, own in buffers:
            norm._buffers.update(own)


def in_chunks(
    function: Callable[[Shaped[Tensor, "chunk ..."]], tuple[Tensor, ...]],
    image: Shaped[Tensor, "batch ..."],
    *,
    size: int,
    norms: Collection[_BatchNorm],
) -> tuple[Tensor, ...]:
    """What a function gives of a batch, computed in chunks of images; activations of one chunk exist at a time.

    The first pass computes the rows of all chunks. A loss of all of them gives the gradient of each row, whatever pairs
    it reads, and in the backward pass each chunk is computed again and takes back the gradient of its rows. The
    gradient is exactly that of the chunks without it.

    Args:
        function: Images to rows, one or more tensors; batch norms in it see a chunk.
        image: The batch; one of ``size`` or fewer is not cut.
        size: Images of a chunk, at most. Of n chunks each takes every n-th image: they are as even as can be, and in a
            batch with the images of a person beside each other every chunk has images of all.
        norms: The batch norms in it.

    Source: Gao et al., *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, RepL4NLP 2021,
        section 3.2 (GradCache).
    """
    if len(image) <= size:
        return function(image)
    count = math.ceil(len(image) / size)
    chunks = [image[first::count].clone() for first in range(count)]
    rows = [recomputed(function, chunk, norms=norms) for chunk in chunks]
    places = torch.arange(len(image), device=image.device)
    back = torch.cat([places[first::count] for first in range(count)]).argsort()
    return tuple(torch.cat(of_chunks)[back] for of_chunks in zip(*rows, strict=True))


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The blocks of a network: the smallest parts in a row or a list of parts that have two weights or more.

    Those of a ResNet are its residual blocks, those of a DenseNet its dense layers, those of a ViT its transformer
    blocks. A row of layers (``nn.Sequential``) is none, so a stem is left as it is.
    """
    found: list[nn.Module] = []
    for part in network.children():
        inner = blocks_of(part)
        is_block = isinstance(network, _CONTAINERS) and not isinstance(part, _CONTAINERS) and _weights(part)
        found += inner or ([part] if is_block else [])
    return found


def _weights(part: nn.Module) -> bool:
    return sum(value.ndim > 1 for value in part.parameters()) >= _WEIGHTS


@contextmanager
def recomputing(blocks: Collection[nn.Module]) -> Iterator[None]:
    """Within it the activations inside these blocks are :func:`recomputed`; modules and names of weights stay."""
    for block in blocks:
        norms = tuple(batch_norms(block).values())
        vars(block)["forward"] = functools.partial(recomputed, block.forward, norms=norms)
    try:
        yield
    finally:
        for block in blocks:
            del vars(block)["forward"]
