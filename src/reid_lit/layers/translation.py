"""Networks that translate images into another style, and that tell translated images from real ones."""

import itertools
from typing import Annotated

from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn

Count = Annotated[int, Ge(1)]
"""A number of channels, blocks or layers."""


class ResnetGenerator(nn.Module):
    """Images in [-1, 1] to images in [-1, 1] of the same size: two halvings, residual blocks, two doublings.

    Args:
        channels: Channels at the full size; twice and four times as many at the half and the quarter.
        blocks: Residual blocks at a quarter of the size.

    Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer", ECCV 2016, as Zhu et al., "Unpaired
        Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017, section 7.2, and its public
        code have it (``resnet_9blocks``): instance norms, padding by reflection, weights N(0, 0.02).
    """

    step = 4
    """Height and width have to be multiples of it."""

    def __init__(self, *, channels: Count, blocks: Count) -> None:
        super().__init__()
        wide, wider = 2 * channels, 4 * channels
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normed(nn.Conv2d(3, channels, 7), channels),
            *_normed(nn.Conv2d(channels, wide, 3, stride=2, padding=1), wide),
            *_normed(nn.Conv2d(wide, wider, 3, stride=2, padding=1), wider),
            *(ResidualBlock(channels=wider) for _ in range(blocks)),
            *_normed(nn.ConvTranspose2d(wider, wide, 3, stride=2, padding=1, output_padding=1), wide),
            *_normed(nn.ConvTranspose2d(wide, channels, 3, stride=2, padding=1, output_padding=1), channels),
            nn.ReflectionPad2d(3),
            nn.Conv2d(channels, 3, 7),
            nn.Tanh(),
        )
        self.apply(start)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """(b 3 h w) → (b 3 h w)."""
        return self.layers(image)


class ResidualBlock(nn.Module):
    """A map plus what two convolutions make of it.

    Args:
        channels: Of the map.
    """

    def __init__(self, *, channels: Count) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normed(nn.Conv2d(channels, channels, 3), channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, maps: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h w"]:
        """(b c h w) → (b c h w)."""
        return maps + self.layers(maps)


class PatchDiscriminator(nn.Module):
    """A score for each patch of an image: 1 for real ones, 0 for translated ones.

    Args:
        channels: Channels of the first layer; doubled by each further one, up to eight times as many.
        layers: Layers that halve the size; 3 look at patches of 70 × 70 pixels.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, as the public
        code of Zhu et al., ICCV 2017, has it: instance norms but in the first layer, weights N(0, 0.02).
    """

    def __init__(self, *, channels: Count, layers: Count) -> None:
        super().__init__()
        self.halvings = layers
        widths = [channels * min(2**k, 8) for k in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for k, (before, width) in enumerate(itertools.pairwise(widths), start=1):
            parts += [nn.Conv2d(before, width, 4, stride=2 if k < layers else 1, padding=1)]
            parts += [nn.InstanceNorm2d(width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(start)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 rows columns"]:
        """(b 3 h w) → (b 1 rows columns)."""
        return self.layers(image)

    def least_side(self) -> int:
        """The least height and width of an image: the score has a place, and each norm sees more than one."""
        return 4 * 2**self.halvings


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(channels), nn.ReLU()]


def start(module: nn.Module) -> None:
    """Begin a convolution as the public code does: weights N(0, 0.02), no shift."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
