"""A ResNet as a trunk and what follows it, of which branches are made."""

import copy
from collections import OrderedDict
from typing import Any

from torch import nn

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.stride import last_halving, set_last_stride
from reid_lit.errors import InputError

_STEMS = (("conv1", "bn1", "act1", "maxpool"), ("layer0", "pool0"))  # of timm's ResNets, of Cadene's SE-Nets


def trunk_of(backbone: Backbone) -> list[nn.Module]:
    """The layers of a ResNet, in their order, up to the first block of ``layer3``, which is the last of them.

    Raises:
        ValueError: the network is none whose ``layer3`` begins with a block.
    """
    model: Any = getattr(backbone.body, "model", backbone.body)
    for stem in _STEMS:
        if all(hasattr(model, part) for part in (*stem, "layer1", "layer2", "layer3", "layer4")):
            return [*(getattr(model, part) for part in (*stem, "layer1", "layer2")), model.layer3[0]]
    raise InputError(
        f"model=mgn has three branches behind the first block of layer3, and {type(model).__name__} has no such block;"
        f" choose a ResNet, SE-ResNet, SE-ResNeXt or IBN-Net"
    )


def rest_of(backbone: Backbone) -> nn.Sequential:
    """The layers behind :func:`trunk_of`: what follows in ``layer3``, and ``layer4``; the backbone's own.

    Raises:
        ValueError: as :func:`trunk_of`.
    """
    trunk_of(backbone)
    model: Any = getattr(backbone.body, "model", backbone.body)
    return nn.Sequential(OrderedDict(layer3=model.layer3[1:], layer4=model.layer4))


def branch_of(backbone: Backbone) -> nn.Sequential:
    """A copy of :func:`rest_of`, weights included, whose ``layer4`` keeps the resolution of its input.

    Raises:
        ValueError: as :func:`trunk_of`, or ``layer4`` does not halve the map by convolutions of its first block.
    """
    branch = copy.deepcopy(rest_of(backbone))
    if last_halving(branch):
        set_last_stride(branch, 1, name="a branch of model=mgn")
    return branch
