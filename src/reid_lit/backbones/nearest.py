"""Which known network a file of weights is of, by the names and shapes of its tensors."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import timm
import torch
from torch import Tensor

from reid_lit.backbones import ibn, osnet
from reid_lit.backbones.renames import renames
from reid_lit.backbones.state_names import readings

_FAMILIES: dict[str, tuple[str, ...]] = {
    r"gate\.fc1": osnet.NAMES,
    r"layer1\.0\.(conv|bn1\.IN)": (*ibn.NAMES, "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
                                   "resnext50_32x4d", "resnest50d"),
    r"layer0\.": ("legacy_seresnet50", "legacy_seresnet101", "legacy_seresnext50_32x4d", "legacy_seresnext101_32x4d"),
    r"denseblock": ("densenet121",),
    r"stage4\.": ("hrnet_w18",),
    r"conv_stem|features\.0\.0": ("mobilenetv1_100", "mobilenetv2_100", "tf_efficientnet_lite0",
                                  "tf_efficientnet_lite1", "tf_efficientnet_lite2", "efficientnet_b0"),
    r"cls_token|class_token": ("vit_small_patch16_224", "vit_base_patch16_224"),
    r"relative_position": ("swin_tiny_patch4_window7_224", "swin_base_patch4_window7_224"),
    r"stages\.": ("convnext_tiny", "convnext_base"),
}  # fmt: skip
"""What a name of a file tells of its family, and the networks of that family that are known."""
_AT_LEAST = 0.95


def nearest(file: Mapping[str, Tensor]) -> str:
    """The known network that a file gives most of, in words for a message: ``this is an osnet_x0_25``; else empty.

    Args:
        file: Tensors by the file's own names.
    """
    families = [names for sign, names in _FAMILIES.items() if any(re.search(sign, key) for key in file)]
    matched = {name: _matched(file, _shapes(name)) for names in families for name in names}
    name = max(matched, key=lambda each: matched[each], default="")
    if not matched.get(name):
        return ""
    counts = [len({key for key in file if re.search(rf"NL_{stage}\.\d+\.g\.weight$", key)}) for stage in range(1, 5)]
    blocks = f" with non-local blocks {counts}" if any(counts) else ""
    return f"this is {'an' if name[0] in 'aeo' else 'a'} {name}{blocks}"


def _matched(file: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> int:
    """How many values of a network a file has under one of the ways to read its names; 0 if they are too few for it."""
    theirs = Counter(value.shape for value in file.values())
    missing = Counter(value.shape for value in target.values()) - theirs
    whole = sum(value.numel() for value in target.values())
    if sum(shape.numel() * count for shape, count in missing.items()) > (1 - _AT_LEAST) * whole:
        return 0  # whatever the names are
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
