"""Random erasing by noise: a rectangle of an image is filled with normal numbers, one for each pixel and colour."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float32
from torch import Tensor
from typing_extensions import override

from reid_lit.data.transforms.erasing import Erase, paint_masks, paint_slices
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Images, as_float
from reid_lit.errors import InputError


class PixelErase(Erase):
    """Fills a rectangle of random place, area and aspect with noise, with some probability.

    As :class:`~reid_lit.data.transforms.erasing.Erase`, but the logarithm of the aspect is uniform, and each pixel and
    colour is mean + std · z with z normal: standard normal once the image is normalised by them.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, as timm has it in mode ``pixel``, which the
    public code of He et al., *TransReID*, ICCV 2021, uses.

    Args:
        probability: In [0, 1].
        area: Least and largest part of the image that is erased, in (0, 1].
        aspect: Least and largest height / width of the rectangle.
        mean: Of the noise, for each colour.
        std: Of the noise, above 0.

    Raises:
        ValueError: a number is outside its range.
    """

    def __init__(
        self, *, probability: float, area: Sequence[float], aspect: Sequence[float], mean: float, std: float
    ) -> None:
        super().__init__(probability=probability, area=area, aspect=aspect, fill="random")
        if not 0 <= mean <= 1 or std <= 0:
            raise InputError(f"mean={mean} must be in [0, 1] and std={std} above 0, as of images in [0, 1]")
        self.logarithms = [math.log(end) for end in self.aspect]
        self.mean, self.std = mean, std

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        image = image.clone() if image.is_floating_point() else as_float(image)
        boxes = self.boxes(noise, *image.shape[2:])
        paint = self.mean + self.std * normal(noise, image[0].numel()).view(image.shape)
        return paint_masks(image, boxes, paint) if image.is_cuda else paint_slices(image, boxes, paint)

    @override
    def aspects(self, share: Float32[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        least, largest = self.logarithms
        return (least + share * (largest - least)).exp()


def normal(noise: ImageNoise, count: int) -> Float32[Tensor, "b {count}"]:
    """The next ``count`` standard normal numbers of each image, from two uniform ones each.

    Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """
    radius, angle = noise.uniform(2 * count).chunk(2, dim=1)
    return (-2 * torch.log1p(-radius)).sqrt() * torch.cos(2 * math.pi * angle)
