"""ResNets with non-local blocks, and FastReID's stem."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones import ibn
from reid_lit.backbones.base import Backbone
from reid_lit.backbones.resnet import resnet
from reid_lit.backbones.weights import load
from reid_lit.errors import InputError

STEM_POOLS = ("padded", "ceil")
_STAGES = ("layer1", "layer2", "layer3", "layer4")


class NonLocal(nn.Module):
    """A map to which each position adds what it sees of all others, by dot products of one channel.

    The convolutions are named as in FastReID's files.

    Args:
        channels: Of the map.

    Source: Wang et al., "Non-local Neural Networks", CVPR 2018, equation 4 and Fig. 2, with the dot product; one hidden
        channel as FastReID's public code has it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(channels, 1, 1) for _ in range(3))
        self.W = nn.Sequential(nn.Conv2d(1, channels, 1), nn.BatchNorm2d(channels))
        nn.init.zeros_(self.W[1].weight)  # type: ignore[arg-type]  # a batch norm has one

    @override
    def forward(
        self, maps: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """(b c h w) → the same shape."""
        theta, phi, value = (layer(maps).flatten(1) for layer in (self.theta, self.phi, self.g))
        seen = theta * (phi * value).mean(1, keepdim=True)  # with one channel the product of n × n is never needed
        return maps + self.W(seen.unflatten(1, (1, *maps.shape[2:])))


def non_local_resnet(
    *, name: str, weights: str, last_stride: int = 2, non_local: Sequence[int], stem_pool: str
) -> Backbone:
    """A ResNet or IBN-Net with non-local blocks behind the last blocks of its stages.

    Args:
        name: timm's name of a ResNet, or ``resnet50_ibn_a``, ``resnet101_ibn_a``.
        weights: ``imagenet`` (which has no non-local blocks: they begin as the identity), ``none``, or a file or run
            folder.
        last_stride: 2, or 1 for a map of twice the height and width.
        non_local: How many non-local blocks each of the four stages has: behind so many blocks, up to its last.
        stem_pool: ``padded``: a pixel on each side, as torchvision's ResNet; ``ceil``: at the bottom and the right
            alone, as FastReID since November 2020.

    Raises:
        ValueError: ``non_local`` does not name four stages or asks for more than there are blocks, the pooling is
            unknown, or the file is of another architecture.
        FileNotFoundError: the weights cannot be had.

    Source: Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI 2021, the AGW baseline;
        He et al., "FastReID: A Pytorch Toolbox for General Instance Re-identification", 2020.
    """
    if stem_pool not in STEM_POOLS:
        raise InputError(f"stem_pool={stem_pool!r}: choose one of {', '.join(STEM_POOLS)}")
    own = weights in ("imagenet", "none")
    start = {"name": name, "weights": weights if own else "none", "last_stride": last_stride}
    if name in ibn.NAMES:
        backbone = ibn.ibn_net50(**start)  # type: ignore[arg-type]  # words and a number
    else:
        backbone = resnet(**start, stem_relu=True, init="fan_out", options={"zero_init_last": False})  # type: ignore[arg-type]
    model: Any = backbone.body.model
    add_non_local(model, non_local)
    if stem_pool == "ceil":
        model.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    if not own:
        load(model, Path(weights), name=name)
    return backbone


def add_non_local(model: Any, counts: Sequence[int]) -> None:
    """Put non-local blocks behind the last blocks of the stages of a ResNet, whose names stay as they are.

    Args:
        model: timm's ResNet; changed in place.
        counts: How many each of its four stages gets.

    Raises:
        ValueError: there are not four, or a stage has fewer blocks.
    """
    stages: list[Any] = [getattr(model, stage, ()) for stage in _STAGES]
    if len(counts) != len(stages) or any(
        not 0 <= count <= len(stage) for count, stage in zip(counts, stages, strict=True)
    ):
        raise InputError(
            f"non_local={list(counts)}: give a number for each of the four stages, at most"
            f" {[len(stage) for stage in stages]}, such as [0, 2, 3, 0] for a ResNet-50"
        )
    for place, count, stage in zip(_STAGES, counts, stages, strict=True):
        layers = OrderedDict(stage.named_children())
        names = list(layers)[len(stage) - count :]
        for number, name in enumerate(names):
            channels = getattr(layers[name], "bn3", layers[name].bn2).num_features
            layers[f"non_local_{number}"] = NonLocal(channels)
        order = [*list(layers)[: len(stage) - count]]
        for number, name in enumerate(names):
            order += [name, f"non_local_{number}"]
        setattr(model, place, nn.Sequential(OrderedDict((name, layers[name]) for name in order)))
