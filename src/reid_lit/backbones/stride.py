"""The trick "last stride": a map of twice the height and width from a network as it is."""

import re
from typing import Any

from torch import nn

from reid_lit.errors import InputError


def set_last_stride(model: nn.Module, stride: int, *, name: str) -> None:
    """Let the last stage that halves the map keep its input's resolution, without dilation.

    The stride is in another convolution in each family (3×3; 1×1, Caffe style; depthwise, with one for a shortcut or
    without), so it is looked for, not named; the weights stay as they are.

    Args:
        model: The network; changed in place. Its stages are ``layer4`` (ResNets) or in ``blocks`` (timm's MobileNets
            and EfficientNets).
        stride: 1, or 2 for leaving it as it is.
        name: Its name, for the messages.

    Raises:
        ValueError: the stride is another, or no such stage begins with a block that halves by convolutions alone.

    Source: Luo et al., *A Strong Baseline and Batch Normalization Neck*, TMM 2019, "Last stride".
    """
    if stride not in (1, 2):
        raise InputError(f"last_stride={stride}: give 2 (as the network is) or 1 (a map of twice the size)")
    if stride == 2:
        return
    halving = last_halving(model)
    first = all(re.match(r"(layer4|blocks\.\d+)\.0\.", key) for key in halving)
    if not halving or not first or not all(isinstance(layer, nn.Conv2d) for layer in halving.values()):
        layers = ", ".join(f"{key} ({type(layer).__name__})" for key, layer in halving.items()) or "no such stage"
        raise InputError(
            f"last_stride=1: layer4, or the last of the blocks that halves the map, should do so by convolutions of its"
            f" first block; {name} has {layers}; give 2, or choose a ResNet, SE-ResNet, SE-ResNeXt, IBN-Net, MobileNet"
            f" or EfficientNet"
        )
    for convolution in halving.values():
        convolution.stride = (1, 1)


def last_halving(model: nn.Module) -> dict[str, Any]:
    """The layers of stride 2 of the last stage that has any, by their keys in the network."""
    stages = [key for key, _ in model.named_modules() if re.fullmatch(r"layer4|blocks\.\d+", key)]
    for stage in reversed(stages):
        layers = model.get_submodule(stage).named_modules(prefix=stage)
        halving = {key: layer for key, layer in layers if _halves(layer)}
        if halving:
            return halving
    return {}


def _halves(layer: nn.Module) -> bool:
    """Whether a convolution or a pooling has stride 2; blocks that keep a number for their convolutions are none."""
    return getattr(layer, "stride", 1) in (2, (2, 2)) and not [*layer.children()]
