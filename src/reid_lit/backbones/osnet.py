"""OSNet: small networks that see every scale at once, in four widths, with instance norms or without."""

from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.stride import set_last_stride
from reid_lit.backbones.weights import load
from reid_lit.errors import InputError, MissingFileError

_CHANNELS = {
    "x1_0": (64, 256, 384, 512),
    "x0_75": (48, 192, 288, 384),
    "x0_5": (32, 128, 192, 256),
    "x0_25": (16, 64, 96, 128),
}
_NORMS = {"": ("no", "no", "no", "no", "no", "no"), "ibn": ("after", "after", "no", "no", "no", "no"),
          "ain": ("inside", "inside", "no", "inside", "inside", "no")}  # fmt: skip
"""Where each of the six blocks has its instance norm; with one anywhere, the stem has one for its batch norm."""
NAMES = (
    *(f"osnet_{width}" for width in _CHANNELS),
    "osnet_ibn_x1_0",
    *(f"osnet_ain_{width}" for width in _CHANNELS),
)
"""torchreid's names of what can be built."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ZOO = "https://kaiyangzhou.github.io/deep-person-reid/MODEL_ZOO"


def convolution(
    channels_in: int, channels_out: int, kernel: int = 1, *, stride: int = 1, norm: str = "batch", relu: bool = True
) -> nn.Sequential:
    """Convolution without bias, a norm (``batch``, ``instance``, ``no``), and a ReLU unless ``relu`` is false.

    Named as in torchreid's files.
    """
    parts: dict[str, nn.Module] = {
        "conv": nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False)
    }
    if norm != "no":
        parts["bn"] = nn.BatchNorm2d(channels_out) if norm == "batch" else instance_norm(channels_out)
    return nn.Sequential(OrderedDict(parts | ({"relu": nn.ReLU(inplace=True)} if relu else {})))


def instance_norm(channels: int) -> nn.Module:
    """An instance norm with a weight and a bias for each channel."""
    return nn.InstanceNorm2d(channels, affine=True)


def light_convolution(channels: int) -> nn.Sequential:
    """The "Lite 3×3": a linear 1×1 convolution, a depthwise 3×3, batch norm, ReLU."""
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(channels, channels, 1, bias=False),
        "conv2": nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        "bn": nn.BatchNorm2d(channels),
        "relu": nn.ReLU(inplace=True),
    }
    return nn.Sequential(OrderedDict(parts))


class ChannelGate(nn.Module):
    """Weighs each channel by a number in (0, 1) that a two-layer network reads off the channels' means.

    Args:
        channels: Of the map; at least 16; a sixteenth of them are hidden.

    Source: Zhou et al., *Omni-Scale Feature Learning for Person Re-Identification*, ICCV 2019, section 3.2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1)

    def forward(
        self, maps: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """(b c h w) → the same shape."""
        hidden = self.fc1(maps.mean((2, 3), keepdim=True)).relu()
        return maps * self.fc2(hidden).sigmoid()


class OSBlock(nn.Module):
    """A residual block of four streams that see 3, 5, 7 and 9 pixels, added under one gate that they share.

    Args:
        channels_in: Of the map that it takes.
        channels_out: Of the map that it gives; the streams have a quarter.
        instance: Where an instance norm is: ``no``, ``after`` the addition of the shortcut, or ``inside`` the residual,
            in place of its last batch norm.

    Source: Zhou et al., *Omni-Scale Feature Learning for Person Re-Identification*, ICCV 2019, equations 2 and 3; the
        norms: Zhou et al., *Learning Generalisable Omni-Scale Representations for Person Re-Identification*, TPAMI
        2021, by its public code.
    """

    def __init__(self, channels_in: int, channels_out: int, instance: str = "no") -> None:
        super().__init__()
        middle = channels_out // 4
        self.conv1 = convolution(channels_in, middle)
        self.conv2a = light_convolution(middle)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*(light_convolution(middle) for _ in range(depth))) for depth in (2, 3, 4)
        )
        self.gate = ChannelGate(middle)
        self.conv3 = convolution(middle, channels_out, norm="no" if instance == "inside" else "batch", relu=False)
        alike = channels_in == channels_out
        self.downsample = nn.Identity() if alike else convolution(channels_in, channels_out, relu=False)
        self.instance = instance
        if instance != "no":
            self.IN = instance_norm(channels_out)

    def forward(self, maps: Float[Tensor, "batch in rows columns"]) -> Float[Tensor, "batch out rows columns"]:
        """(b c h w) → (b c' h w)."""
        reduced = self.conv1(maps)
        first, *others = (self.gate(stream(reduced)) for stream in (self.conv2a, self.conv2b, self.conv2c, self.conv2d))
        residual = self.conv3(sum(others, first))
        if self.instance == "inside":
            residual = self.IN(residual)
        added = residual + self.downsample(maps)
        return (self.IN(added) if self.instance == "after" else added).relu()


def network(name: str) -> Any:
    """The stem, three stages of two blocks (the first two halve the map), and a last 1×1 convolution.

    Args:
        name: One of :data:`NAMES`.
    """
    kind, _, width = name.removeprefix("osnet_").partition("_x")
    channels, norms = (_CHANNELS[f"x{width}"], _NORMS[kind]) if width else (_CHANNELS[kind], _NORMS[""])
    parts: dict[str, nn.Module] = {
        "conv1": convolution(3, channels[0], 7, stride=2, norm="batch" if norms == _NORMS[""] else "instance"),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }
    for stage, (before, after) in enumerate(pairwise(channels), start=2):
        first, second = norms[2 * stage - 4 : 2 * stage - 2]
        blocks = [OSBlock(before, after, first), OSBlock(after, after, second)]
        halved = [nn.Sequential(convolution(after, after), nn.AvgPool2d(2))] if stage < 4 else []
        parts[f"conv{stage}"] = nn.Sequential(*blocks, *halved)
    parts["conv5"] = convolution(channels[-1], channels[-1])
    return nn.Sequential(OrderedDict(parts))


def _start(part: nn.Module) -> None:
    """The authors' start: He's normal distribution over the outputs, no bias; batch norms start as torch's do."""
    if isinstance(part, nn.Conv2d):
        nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        if part.bias is not None:
            nn.init.zeros_(part.bias)


def osnet(*, name: str, weights: str, last_stride: int = 2) -> Backbone:
    """OSNet up to its map, of 1/16 of the image's height and width; torchreid's last linear layer is left to a neck.

    Args:
        name: One of :data:`NAMES`: ``osnet_x1_0`` and its narrower ones, ``osnet_ibn_x1_0``, ``osnet_ain_x1_0`` …
        weights: ``none``, or a file of torchreid or run folder.
        last_stride: 2; the output stride is 16 as it is.

    Raises:
        ValueError: the name is another, the stride is 1, or the file is of another architecture.
        FileNotFoundError: ``weights`` is ``imagenet``, which only a browser can fetch, or there is no such file.

    Source: Zhou et al., *Omni-Scale Feature Learning for Person Re-Identification*, ICCV 2019, table 1; IBN and AIN:
        Zhou et al., *Learning Generalisable Omni-Scale Representations for Person Re-Identification*, TPAMI 2021, by
        its public code.
    """
    if name not in NAMES:
        raise InputError(f"name={name!r}: give one of {sorted(NAMES)}")
    if weights == "imagenet":
        raise MissingFileError(
            f"weights=imagenet: {name}_imagenet.pth is on Google Drive only; download it from {_ZOO} and give its"
            f" path, or give none to train from scratch"
        )
    model = network(name).apply(_start)
    set_last_stride(model, last_stride, name=f"{name} (whose output stride is 16 already)")
    if weights != "none":
        load(model, Path(weights), name=name)
    return Backbone(model, dim=model.conv5.conv.out_channels, mean=_MEAN, std=_STD)
