"""The trick "last stride": a map of twice the height and width from a network as it is."""

import re
from typing import Any

from torch import nn

from reid_lit.errors import InputError

_STAGES = r"layer4|blocks\.\d+|stages\.\d+"


def set_last_stride(model: nn.Module, stride: int, *, name: str) -> None:
    """Let the last stage that halves the map keep its input's resolution, without dilation.

    The stride is in another layer in each family (convolutions 3×3; 1×1, Caffe style; depthwise, with one for a
    shortcut or without; average pools of 2 × 2 beside convolutions, as in CLIP's ResNets and ResNet-D), so it is
    looked for, not named; the weights stay as they are. An average pool of one position is none.

    Args:
        model: The network; changed in place. Its stages are ``layer4`` (ResNets), or in ``blocks`` (timm's MobileNets
            and EfficientNets) or ``stages`` (CLIP's ResNets).
        stride: 1, or 2 for leaving it as it is.
        name: Its name, for the messages.

    Raises:
        ValueError: the stride is another, or no such stage begins with a block that halves by these layers alone.

    Source: Luo et al., *A Strong Baseline and Batch Normalization Neck*, TMM 2019, "Last stride".
    """
    if stride not in (1, 2):
        raise InputError(f"last_stride={stride}: give 2 (as the network is) or 1 (a map of twice the size)")
    if stride == 2:
        return
    halving = last_halving(model)
    first = all(re.match(rf"({_STAGES})\.0\.", key) for key in halving)
    if not halving or not first or not all(_can_keep(layer) for layer in halving.values()):
        layers = ", ".join(f"{key} ({type(layer).__name__})" for key, layer in halving.items()) or "no such stage"
        raise InputError(
            f"last_stride=1: layer4, or the last of the blocks or stages that halves the map, should do so by"
            f" convolutions or average pools of 2 × 2 of its first block; {name} has {layers}; give 2, or choose a"
            f" ResNet, SE-ResNet, SE-ResNeXt, IBN-Net, MobileNet or EfficientNet"
        )
    for layer in halving.values():
        layer.stride = (1, 1)
        if isinstance(layer, nn.AvgPool2d):
            layer.kernel_size = (1, 1)


def last_halving(model: nn.Module) -> dict[str, Any]:
    """The layers of stride 2 of the last stage that has any, by their keys in the network."""
    stages = [key for key, _ in model.named_modules() if re.fullmatch(_STAGES, key)]
    for stage in reversed(stages):
        layers = model.get_submodule(stage).named_modules(prefix=stage)
        halving = {key: layer for key, layer in layers if _halves(layer)}
        if halving:
            return halving
    return {}


def _can_keep(layer: nn.Module) -> bool:
    """Whether a layer can keep the map: a convolution, or an average pool whose positions do not overlap."""
    if isinstance(layer, nn.AvgPool2d):
        return layer.kernel_size in (2, (2, 2)) and layer.padding in (0, (0, 0))
    return isinstance(layer, nn.Conv2d)


def _halves(layer: nn.Module) -> bool:
    """Whether a convolution or a pooling has stride 2; blocks that keep a number for their convolutions are none."""
    return getattr(layer, "stride", 1) in (2, (2, 2)) and not [*layer.children()]
