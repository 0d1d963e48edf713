"""ResNet with the switches of the baselines."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.timm import timm_backbone
from reid_lit.errors import InputError

INITS = ("fan_out", "layer")


def resnet(
    *,
    name: str,
    weights: str,
    last_stride: int = 2,
    stem_relu: bool,
    init: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    options: dict[str, Any] | None,
    mix_style: Callable[[Any], None] | None = None,
) -> Backbone:
    """A ResNet of timm.

    Args:
        name: As in :func:`~reid_lit.backbones.timm.timm_backbone`; so are the others.
        weights: ``imagenet``, ``none``, or a file or run folder.
        last_stride: 2, or 1 for a map of twice the height and width.
        stem_relu: Whether a ReLU follows the first batch norm. The public code of the Strong Baseline has none there,
            and its published numbers come from that.
        init: How convolutions start where ``weights`` are none: ``fan_out`` (He's normal distribution, as torchvision),
            or ``layer`` (torch's own default of a layer, smaller by √6 where channels in and out are as many; the
            public code of the Strong Baseline). A batch norm takes the size out again, but Adam's steps are larger
            relative to smaller weights.
        mean: None, or another mean than the weights' own.
        std: None, or another standard deviation than the weights' own.
        options: Further arguments of timm's constructor.
        mix_style: :func:`~reid_lit.backbones.mix_style.mix_styles` of the network; None: styles stay as they are.

    Raises:
        ValueError: the network has no ReLU there to leave out, or ``init`` is unknown.

    Source: He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016.
    """
    if init not in INITS:
        raise InputError(f"init={init!r}: choose one of {', '.join(INITS)}")
    backbone = timm_backbone(
        name=name,
        weights=weights,
        last_stride=last_stride,
        mean=mean,
        std=std,
        options=options,
        mix_style=mix_style,
    )
    if not stem_relu:
        model: Any = backbone.body.model
        if not isinstance(getattr(model, "act1", None), nn.ReLU):
            raise InputError(f"stem_relu=false: {name} has no ReLU act1 in its stem; leave it true")
        model.act1 = nn.Identity()
    if init == "layer" and weights == "none":
        for layer in backbone.modules():
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
    return backbone
