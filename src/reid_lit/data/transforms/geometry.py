"""Turning and moving of images by any angle and length, with interpolation."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Images, as_float
from reid_lit.errors import InputError


class RotateShift(nn.Module):
    """Turns each image about its centre and moves it; new places get the nearest pixel of the edge.

    Args:
        degrees: The angle is uniform within ± this.
        shift: The lengths down and to the right are uniform within ± this part of the height and of the width.

    Source: Keras' ``ImageDataGenerator`` (``rotation_range``, ``height_shift_range``, ``width_shift_range``,
        ``fill_mode="nearest"``), as Fan et al., "Unsupervised Person Re-identification: Clustering and Fine-tuning",
        TOMM 2018, use it in their public code; pixels are interpolated bilinearly.

    Raises:
        ValueError: the angle is outside 0 … 180, or the part outside 0 … 1.
    """

    def __init__(self, *, degrees: float, shift: float) -> None:
        super().__init__()
        for name, value, most in (("degrees", degrees, 180), ("shift", shift, 1)):
            if not 0 <= value <= most:
                raise InputError(f"{name}={value}: give a number in [0, {most}]")
        self.degrees = degrees
        self.shift = shift

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        turn, down, right = (noise.uniform(3) * 2 - 1).unbind(dim=1)
        height, width = image.shape[2:]
        grid = sampled_places(
            turn * math.radians(self.degrees),
            down * self.shift * height,
            right * self.shift * width,
            height=height,
            width=width,
        )
        return F.grid_sample(as_float(image), grid, padding_mode="border", align_corners=False)


class ScaledCrop(nn.Module):
    """Cuts a part of another size and shape out of each image, and resizes it to the size of the image.

    The first of ten drawn parts that fits into the image is cut out at a random place; where none fits, it stays.

    Args:
        area: Least and greatest share of the image's area.
        aspect: Least and greatest height / width.

    Source: ``RandomSizedRectCrop`` of open-reid's public code, which cuts before it resizes; the same for images of the
        shape that they are resized to.

    Raises:
        ValueError: a share is outside (0, 1], or a range is none.
    """

    attempts = 10

    def __init__(self, *, area: Sequence[float], aspect: Sequence[float]) -> None:
        super().__init__()
        for name, values in (("area", area), ("aspect", aspect)):
            if len(values) != 2 or not 0 < values[0] <= values[1] or (name == "area" and values[1] > 1):
                raise InputError(
                    f"{name}={list(values)}: give [least, greatest] above 0{', at most 1' * (name == 'area')}"
                )
        self.area = tuple(area)
        self.aspect = tuple(aspect)

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        height, width = image.shape[2:]
        place, drawn = noise.uniform(2), noise.uniform(2 * self.attempts)
        area = (self.area[0] + (self.area[1] - self.area[0]) * drawn[:, : self.attempts]) * height * width
        aspect = self.aspect[0] + (self.aspect[1] - self.aspect[0]) * drawn[:, self.attempts :]
        sides = torch.stack([(area * aspect).sqrt().round() / height, (area / aspect).sqrt().round() / width], dim=2)
        fits = (sides <= 1).all(dim=2)
        first = sides[torch.arange(len(sides), device=sides.device), fits.int().argmax(dim=1)]
        share = torch.where(fits.any(dim=1)[:, None], first, torch.ones_like(first))
        return cut_out(image, share, place)


class Translation(nn.Module):
    """Enlarges each image with a probability, and cuts its old size out at a random place.

    Args:
        scale: How many times as high and as wide, from 1.
        probability: Of an image being enlarged.

    Source: ``Random2DTranslation`` of the public code of Luo et al., "AlignedReID++", PR 2019: scale 1.125,
        probability 0.5; there the places are whole pixels.

    Raises:
        ValueError: the scale is below 1, or the probability outside 0 … 1.
    """

    def __init__(self, *, scale: float, probability: float) -> None:
        super().__init__()
        if scale < 1:
            raise InputError(f"scale={scale}: give a number from 1 on")
        if not 0 <= probability <= 1:
            raise InputError(f"probability={probability}: give a number in [0, 1]")
        self.scale = scale
        self.probability = probability

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        drawn = noise.uniform(3)
        share = torch.where(drawn[:, :1] < self.probability, 1 / self.scale, 1.0).expand(-1, 2)
        return cut_out(image, share, drawn[:, 1:])


def cut_out(image: Images, share: Float32[Tensor, "b 2"], place: Float32[Tensor, "b 2"]) -> Float32[Tensor, "b 3 h w"]:
    """A part of each image, resized to the size of the image.

    Args:
        image: uint8, or float32 in [0, 1].
        share: Height and width of the part over those of the image.
        place: Where it is, down and to the right; 0 and 1 touch the edges.
    """
    height, width = image.shape[2:]
    down, right = ((place * 2 - 1) * (1 - share)).unbind(dim=1)  # of the middle, where -1 and 1 are the edges
    y = torch.linspace(1 / height - 1, 1 - 1 / height, height, device=image.device) * share[:, :1] + down[:, None]
    x = torch.linspace(1 / width - 1, 1 - 1 / width, width, device=image.device) * share[:, 1:] + right[:, None]
    grid = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=3)
    return F.grid_sample(as_float(image), grid, padding_mode="border", align_corners=False)


def sampled_places(
    angle: Float32[Tensor, " b"], down: Float32[Tensor, " b"], right: Float32[Tensor, " b"], *, height: int, width: int
) -> Float32[Tensor, "b h w 2"]:
    """The source of each pixel of the new image: its place moved by ``down`` and ``right``, then turned.

    Args:
        angle: In radians; positive turns the places clockwise.
        down: In pixels.
        right: In pixels.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Returns:
        x and y as ``grid_sample`` counts them, from -1 to 1 between the outer edges.
    """
    row = torch.arange(height, device=angle.device) - (height - 1) / 2
    column = torch.arange(width, device=angle.device) - (width - 1) / 2
    y, x = row[:, None] + down[:, None, None], column + right[:, None, None]  # b h 1, b 1 w
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return torch.stack([(cosine * x - sine * y) * (2 / width), (sine * x + cosine * y) * (2 / height)], dim=3)
