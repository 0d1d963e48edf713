"""IBN-Net-50-a, -b and IBN-Net-101-a: ResNets whose early stages forget an image's style."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.imagenet import fetched
from reid_lit.backbones.stride import set_last_stride
from reid_lit.backbones.timm import Maps
from reid_lit.backbones.weights import load
from reid_lit.errors import InputError

_RELEASE = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0"
_RELEASED = {
    "resnet50_ibn_a": "resnet50_ibn_a-d9d0bb7b.pth",
    "resnet50_ibn_b": "resnet50_ibn_b-9ca61e85.pth",
    "resnet101_ibn_a": "resnet101_ibn_a-59ea0ac6.pth",
}
NAMES = tuple(_RELEASED)


class InstanceBatchNorm(nn.Module):
    """Instance norm of the first half of the channels, batch norm of the second; both named as in the public files.

    Args:
        channels: Of the map; even.

    Source: Pan et al., *Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net*, ECCV 2018, the
        block IBN-a.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.IN = nn.InstanceNorm2d(channels // 2, affine=True)
        self.BN = nn.BatchNorm2d(channels // 2)

    def forward(
        self, maps: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """(b c h w) → the same shape."""
        first, second = maps.chunk(2, dim=1)
        return torch.cat((self.IN(first), self.BN(second)), dim=1)


def ibn_net50(
    *, name: str, weights: str, last_stride: int = 2, mix_style: Callable[[Any], None] | None = None
) -> Backbone:
    """IBN-Net-50, or IBN-Net-101-a.

    Args:
        name: ``resnet50_ibn_a``, ``resnet101_ibn_a`` (instance norm in half the channels of every block of the first
            three stages) or ``resnet50_ibn_b`` (instance norm in the stem and at the end of the first two stages).
        weights: ``imagenet`` (the authors' release, from torch's cache or fetched into it), ``none``, or a file or run
            folder.
        last_stride: 2, or 1 for a map of twice the height and width.
        mix_style: :func:`~reid_lit.backbones.mix_style.mix_styles` of the network; None: styles stay as they are.

    Raises:
        ValueError: the name is another, the stride cannot be set, or the file is of another architecture.
        FileNotFoundError: the weights cannot be had.

    Source: Pan et al., *Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net*, ECCV 2018.
    """
    if name not in _RELEASED:
        raise InputError(f"name={name!r}: give one of {sorted(_RELEASED)}")
    url = f"{_RELEASE}/{_RELEASED[name]}"
    path = fetched(name, url) if weights == "imagenet" else Path(weights)
    model = network(name)
    set_last_stride(model, last_stride, name=name)
    if weights != "none":
        load(model, path, name=name, rename=_own_key)
    if mix_style is not None:
        mix_style(model)
    config = model.pretrained_cfg
    return Backbone(Maps(model), dim=model.num_features, mean=config["mean"], std=config["std"])


def network(name: str) -> Any:
    """Timm's ResNet with the norms of an IBN-Net, at its start.

    Args:
        name: One of :data:`NAMES`.
    """
    resnet, _, kind = name.partition("_")
    model = timm.create_model(f"{resnet}.tv_in1k", pretrained=False, num_classes=0, zero_init_last=False)
    (_with_halves if kind == "ibn_a" else _with_instance_norms)(model)
    return model


def _with_halves(model: Any) -> None:
    """Make timm's ResNet an IBN-Net-a."""
    for stage in (model.layer1, model.layer2, model.layer3):
        for block in stage:
            block.bn1 = InstanceBatchNorm(block.bn1.num_features)


def _with_instance_norms(model: Any) -> None:
    """Make timm's ResNet-50 an IBN-Net-50-b: its last instance norms follow the addition of the shortcut."""
    model.bn1 = nn.InstanceNorm2d(model.bn1.num_features, affine=True)
    for stage in (model.layer1, model.layer2):
        block = stage[-1]
        block.act3 = nn.Sequential()
        block.act3.add_module("IN", nn.InstanceNorm2d(block.bn3.num_features, affine=True))
        block.act3.add_module("relu", nn.ReLU(inplace=True))


def _own_key(key: str) -> str:
    """The public files' ``layer1.2.IN.weight`` is ``layer1.2.act3.IN.weight`` here."""
    return re.sub(r"^(layer\d\.\d+)\.IN\.", r"\1.act3.IN.", key)
