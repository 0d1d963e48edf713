"""Turning and moving of images by any angle and length, with interpolation."""

import math

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
