"""A convolutional stem in place of a transformer's patches of pixels."""

from typing import Any

from torch import nn

from reid_lit.backbones.ibn import InstanceBatchNorm

STEMS = ("ics",)
_CHANNELS, _STRIDE = 64, 2


def set_stem(model: Any) -> None:
    """Give a transformer of timm the stem of TransReID-SSL's ViTs "+ICS", in place; both named as in its files.

    Three convolutions with IBN at half the resolution, then patches of half the width.

    Args:
        model: timm's ``VisionTransformer``, whose patches are of an even width.

    Source: Luo et al., *Self-Supervised Pre-Training for Transformer-Based Person Re-Identification*, 2021, section
        3.3, and its public code.
    """
    embed = model.patch_embed
    embed.conv = nn.Sequential(
        nn.Conv2d(3, _CHANNELS, 7, stride=_STRIDE, padding=3, bias=False), InstanceBatchNorm(_CHANNELS), nn.ReLU(),
        nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, bias=False), InstanceBatchNorm(_CHANNELS), nn.ReLU(),
        nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(_CHANNELS), nn.ReLU(),
    )  # fmt: skip
    width = embed.patch_size[0] // _STRIDE
    embed.proj = nn.Conv2d(_CHANNELS, model.embed_dim, width, stride=width)


def stride_of(embed: Any) -> tuple[int, int]:
    """Pixels between the patches of a transformer, down and right."""
    down, right = embed.proj.stride
    return (down * _STRIDE, right * _STRIDE) if hasattr(embed, "conv") else (down, right)
