"""Swin transformers of timm, whose windows are padded, for images of any size."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.models.swin_transformer import PatchMerging, SwinTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.stride import set_last_stride
from reid_lit.backbones.transformers import built, fitted
from reid_lit.errors import InputError


class SwinMap(nn.Module):
    """timm's ``SwinTransformer`` as a map.

    Every window is whole: where a stage is narrower than one, or is not divided by it, it is padded. Windows are
    shifted in every second block, unless a stage fits into one. Images are resized
    (bilinear) to the nearest size that the patches of the last stage divide.

    Args:
        model: The transformer.

    Source: Liu et al., *Swin Transformer*, ICCV 2021.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        side = model.patch_embed.patch_size[0] * 2 ** (model.num_layers - 1)
        self._patch = (side, side)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """(b 3 h w) → (b c h/32 w/32)."""
        size = fitted(image.shape[2:], self._patch, self._patch)
        if tuple(image.shape[2:]) != size:
            image = F.interpolate(image, size, mode="bilinear", align_corners=False)
        return self.model.forward_features(image).permute(0, 3, 1, 2)


class SemanticMerging(PatchMerging):
    """Patches merged before a stage, then scaled and shifted channel by channel, as SOLIDER was trained.

    What scales and shifts does not learn, as in SOLIDER's fine-tuning; it comes from a file.

    Args:
        merging: timm's, whose norm and reduction are taken.
        weight: w, how much what it says of semantics counts, in [0, 1]; appearance counts 1 − w.

    Source: Chen et al., *Beyond Appearance: a Semantic Controllable Self-Supervised Learning Framework for
        Human-Centric Visual Tasks*, CVPR 2023, section 3.3, and its public code.
    """

    weights: Tensor

    def __init__(self, merging: PatchMerging, weight: float) -> None:
        super().__init__(merging.dim, merging.out_dim)
        self.norm, self.reduction = merging.norm, merging.reduction
        self.scale, self.shift = nn.Linear(2, merging.out_dim), nn.Linear(2, merging.out_dim)
        for layer in (self.scale, self.shift):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
            layer.requires_grad_(False)
        self.register_buffer("weights", torch.tensor([weight, 1 - weight]), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch rows columns channels"]
    ) -> Float[Tensor, "batch half_rows half_columns out"]:
        """(b h w c) → (b h/2 w/2 2c)."""
        return super().forward(x) * F.softplus(self.scale(self.weights)) + self.shift(self.weights)


def swin(
    *,
    name: str,
    weights: str,
    size: Sequence[int],
    drop_path: float,
    last_stride: int = 2,
    semantic: float | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone:
    """A Swin transformer of timm.

    Args:
        name: As in :func:`~reid_lit.backbones.vit.vit`; so are the others.
        weights: ``imagenet`` (timm's file in a local cache, which is not fetched), ``none``, or a file or run folder.
        size: Height and width of the images, by which it is known which stages fit into one window.
        drop_path: Stochastic depth of the last block, rising linearly from 0, in [0, 1).
        last_stride: 2; patches are merged before a stage, not by a stride of it.
        semantic: None; a number: the network is SOLIDER's with this semantic weight, see :class:`SemanticMerging`.
        mean: None, or another mean than the weights' own.
        std: None, or another standard deviation than the weights' own.

    Raises:
        ValueError: timm has no such transformer, or a number is out of range.
        FileNotFoundError: the weights cannot be had.

    Source: Liu et al., ICCV 2021; Wightman, *PyTorch Image Models*, 2019.
    """
    if semantic is not None and not 0 <= semantic <= 1:
        raise InputError(f"semantic={semantic}: give a weight in [0, 1], such as 0.2, or null")

    def finished(model: nn.Module) -> None:
        if not isinstance(model, SwinTransformer):
            raise InputError(f"name={name!r}: {type(model).__name__} is no Swin transformer; give backbone=timm")
        set_last_stride(model, last_stride, name=name)
        if semantic is not None:
            for stage in list(model.layers)[1:]:
                stage.downsample = SemanticMerging(stage.downsample, semantic)
        for block in (block for stage in model.layers for block in stage.blocks):
            if all(side <= window for side, window in zip(block.input_resolution, block.window_size, strict=True)):
                block.shift_size = (0, 0)

    options = {"img_size": tuple(size), "always_partition": True, "strict_img_size": False}
    model, mean, std = built(
        name, weights=weights, drop_path=drop_path, mean=mean, std=std, options=options, finished=finished
    )
    return Backbone(SwinMap(model), dim=model.num_features, mean=mean, std=std)
