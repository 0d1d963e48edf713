"""Which known network a file of weights is of, by the names and shapes of its tensors."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import timm
import torch
from torch import Tensor

from reid_lit.backbones import ibn, osnet
from reid_lit.backbones.renames import renames
from reid_lit.backbones.state_names import readings

_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d")
_SENETS = ("legacy_seresnet50", "legacy_seresnet101", "legacy_seresnext50_32x4d", "legacy_seresnext101_32x4d")
_OTHERS = ("densenet121", "hrnet_w18", "mobilenetv1_100", "mobilenetv2_100", "tf_efficientnet_lite0",
           "tf_efficientnet_lite1", "tf_efficientnet_lite2", "efficientnet_b0", "vit_small_patch16_224",
           "vit_base_patch16_224", "swin_tiny_patch4_window7_224", "swin_base_patch4_window7_224", "convnext_tiny",
           "convnext_base", "resnest50d")  # fmt: skip
_AT_LEAST = 0.95


def nearest(file: Mapping[str, Tensor]) -> str:
    """The known network that a file gives most of, in words for a message: ``this is an osnet_x0_25``; else empty.

    Args:
        file: Tensors by the file's own names.
    """
    names = (*osnet.NAMES, *ibn.NAMES, *_RESNETS, *_SENETS, *_OTHERS)
    matched = {name: _matched(file, _shapes(name)) for name in names}
    name = max(matched, key=lambda each: matched[each])
    if not matched[name]:
        return ""
    counts = [len({key for key in file if re.search(rf"NL_{stage}\.\d+\.g\.weight$", key)}) for stage in range(1, 5)]
    blocks = f" with non-local blocks {counts}" if any(counts) else ""
    return f"this is {'an' if name[0] in 'aeo' else 'a'} {name}{blocks}"


def _matched(file: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> int:
    """How many values of a network a file has under one of the ways to read its names; 0 if they are too few for it."""
    ways_to_name: list[Callable[[str], str]] = [str, *renames("")]
    ways = (reading for rename in ways_to_name for reading in readings(file, target, rename))
    best = max(ways, key=lambda reading: reading.share, default=None)
    if best is None or best.share < _AT_LEAST:
        return 0
    return sum(value.numel() for value in best.matched.values())


def _shapes(name: str) -> dict[str, Tensor]:
    """The tensors of a network by name, without values."""
    with torch.device("meta"):
        model: Any
        if name in osnet.NAMES:
            model = osnet.network(name)
        elif name in ibn.NAMES:
            model = ibn.network(name)
        else:
            model = timm.create_model(name, num_classes=0)
    return {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
