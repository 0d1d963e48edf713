"""Graphs that undo what one consumer does: an enlargement, one factor for all channels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import FailedError
from reid_lit.export.graph import Graph, Images, Input
from reid_lit.records import LastMaps, Tokens
from reid_lit.testing.embedder import Embedder


class EnlargedGraph(Graph):
    """A graph for a consumer that enlarges crops to its own size: inside they are what they were.

    Where a side that comes in is longer than the model's, the pixels are those whose bilinear enlargement is nearest to
    it, by least squares. A crop of the model's size, or smaller, so comes back as it was, which antialiasing would
    blur; one that was larger than that is sharper than the run's antialiasing makes it.

    Args:
        embedder: As in :class:`Graph`; so are the others.
        images: What comes in.
        unit_length: Whether each feature gets length 1.
    """

    def __init__(self, embedder: Embedder, *, images: Input, unit_length: bool) -> None:
        super().__init__(embedder, images=images, unit_length=unit_length)
        if self.resizes:
            for name, old, new in zip(("rows", "columns"), images.size, embedder.transform.test_size, strict=True):
                if old > new:
                    setattr(self, name, unenlarging(old, new))


def unenlarging(old: int, new: int) -> Float[Tensor, "new old"]:
    """The matrix that undoes the bilinear enlargement of a line of ``new`` pixels to ``old``, by least squares."""
    enlarging = F.interpolate(torch.eye(new, dtype=torch.float64)[None, None], size=(old, new), mode="bilinear")[0, 0]
    return torch.linalg.pinv(enlarging).float()


class FoldedGraph(Graph):
    """A graph that takes ``factor · (image − mean)``: the deviation of each channel is in its first layer's weights.

    DeepStream has one factor for all channels. Where an image has its mean, this input is 0 as the normalised image is;
    so a convolution pads with the same values.

    Args:
        embedder: As in :class:`Graph`; so are the others.
        images: What comes in; its shift is the backbone's mean.
        unit_length: Whether each feature gets length 1.

    Raises:
        RuntimeError: the first layer is no convolution of three channels.
    """

    def __init__(self, embedder: Embedder, *, images: Input, unit_length: bool) -> None:
        super().__init__(embedder, images=images, unit_length=unit_length)
        backbone = self.model.backbone
        first = first_layer(backbone.body, images.example(1))
        if not isinstance(first, nn.Conv2d) or first.in_channels != 3:
            raise FailedError(f"preset=deepstream: the first layer is {first}, not a convolution of three channels")
        first.weight.data /= self.divisor * backbone.std
        self.model.backbone = _Normalised(backbone)

    @override
    def forward(self, images: Images) -> Float[Tensor, "batch dim"]:
        """(b 3 h w) → (b dim), float32."""
        feature = self.model.embed(images.to(self.divisor.dtype))
        return F.normalize(feature) if self.unit_length else feature


class _Normalised(Backbone):
    """A backbone whose images come normalised."""

    def __init__(self, backbone: Backbone) -> None:
        mean, std = (each.flatten().tolist() for each in (backbone.mean, backbone.std))
        super().__init__(backbone.body, dim=backbone.dim, mean=mean, std=std)

    @override
    def forward(
        self, image: Float[Tensor, "batch 3 height width"], **inputs: Tensor
    ) -> Float[Tensor, "batch channels rows columns"] | Tokens | LastMaps:
        return self.body(image, **inputs)


def first_layer(network: nn.Module, images: Float[Tensor, "batch 3 height width"]) -> nn.Module:
    """The first layer without layers in it that images go through."""
    met: list[nn.Module] = []
    leaves = [layer for layer in network.modules() if not list(layer.children())]
    hooks = [layer.register_forward_pre_hook(lambda layer, _: met.append(layer)) for layer in leaves]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return met[0]
