"""CLIP's residual networks of timm, which give the map before their last stage too."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from timm.models import is_model_in_modules
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.stride import set_last_stride
from reid_lit.backbones.timm import check_name
from reid_lit.backbones.transformers import built
from reid_lit.errors import InputError
from reid_lit.records import LastMaps


class LastStages(nn.Module):
    """timm's ``ByobNet`` as the maps before and behind its last stage.

    Args:
        model: A network of a stem and stages; what it has behind them is not used.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> LastMaps:
        """(b 3 h w) → the last two maps."""
        *stages, last = self.model.stages
        before = self.model.stem(image)
        for stage in stages:
            before = stage(before)
        return LastMaps(last(before), before)


def clip_resnet(
    *,
    name: str,
    weights: str,
    last_stride: int = 2,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Backbone:
    """The image tower of a CLIP of residual networks, without its attention pool.

    Its strides are average pools, behind the 3 × 3 convolution of a block and before the one of its shortcut.

    Args:
        name: timm's name with the tag of its weights, which says its mean and standard deviation too.
        weights: ``imagenet`` (timm's file in a local cache, which is not fetched), ``none``, or a file or run folder:
            of timm, of CLIP as open_clip or OpenAI name it, of CLIP-ReID.
        last_stride: 2, or 1 for a map of twice the height and width.
        mean: None, or another mean than the weights' own.
        std: None, or another standard deviation than the weights' own.
        options: Further arguments of timm's constructor.

    Raises:
        ValueError: timm has no such network, or a number is out of range.
        FileNotFoundError: the weights cannot be had.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section
        2.4; Wightman, *PyTorch Image Models*, 2019.
    """
    check_name(name, tag_needed=False)
    architecture = name.partition(".")[0]
    if "_clip" not in architecture or not is_model_in_modules(architecture, ["byobnet"]):
        raise InputError(f"name={name!r} is none of CLIP's ResNets; give resnet50_clip.openai, or choose backbone=timm")
    model, mean, std = built(
        name,
        weights=weights,
        mean=mean,
        std=std,
        options={**(options or {}), "head_type": "classifier"},  # the attention pool is the model's
        finished=functools.partial(set_last_stride, stride=last_stride, name=name),
    )
    return Backbone(LastStages(model), dim=model.num_features, mean=mean, std=std)
