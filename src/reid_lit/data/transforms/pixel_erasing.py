"""Random erasing by noise: a rectangle of an image is filled with normal numbers, one for each pixel and colour."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float32
from torch import Tensor
from typing_extensions import override

from reid_lit.data.transforms.erasing import Erase, paint_masks, paint_slices
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Images, Normalised, as_float
from reid_lit.errors import InputError


class PixelErase(Erase, Normalised):
    """Fills a rectangle of random place, area and aspect with noise, with some probability.

    As :class:`~reid_lit.data.transforms.erasing.Erase`, but the logarithm of the aspect is uniform, and each pixel and
    colour is mean + std · z with z normal: standard normal once the image is normalised by them.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, as timm has it in mode ``pixel``, which the
    public code of He et al., *TransReID*, ICCV 2021, uses.

    Args:
        probability: In [0, 1].
        area: Least and largest part of the image that is erased, in (0, 1].
        aspect: Least and largest height / width of the rectangle.
        mean: Of the noise, in [0, 1], one number or one for each colour; None: that of :meth:`normalised_by`.
        std: Of the noise, above 0; likewise.

    Raises:
        ValueError: a number is outside its range.
    """

    def __init__(
        self,
        *,
        probability: float,
        area: Sequence[float],
        aspect: Sequence[float],
        mean: float | Sequence[float] | None,
        std: float | Sequence[float] | None,
    ) -> None:
        super().__init__(probability=probability, area=area, aspect=aspect, fill="random")
        self.mean, self.std = _by_colour("mean", mean), _by_colour("std", std)
        self.logarithms = [math.log(end) for end in self.aspect]

    @override
    def normalised_by(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = _by_colour("mean", mean) if self.mean is None else self.mean
        self.std = _by_colour("std", std) if self.std is None else self.std

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        if self.mean is None or self.std is None:
            raise InputError(
                "mean=null and std=null of the erasing noise are those of the model that is trained, and there is none;"
                " give numbers, such as [0.485, 0.456, 0.406] and [0.229, 0.224, 0.225]"
            )
        image = image.clone() if image.is_floating_point() else as_float(image)
        boxes = self.boxes(noise, *image.shape[2:])
        values = normal(noise, image[0].numel()).view(image.shape)
        paint = self.mean.to(image.device) + self.std.to(image.device) * values
        return paint_masks(image, boxes, paint) if image.is_cuda else paint_slices(image, boxes, paint)

    @override
    def aspects(self, share: Float32[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        least, largest = self.logarithms
        return (least + share * (largest - least)).exp()


def _by_colour(argument: str, value: float | Sequence[float] | None) -> Float32[Tensor, "1 _ 1 1"] | None:
    """One number, or one for each colour, beside images."""
    if value is None:
        return None
    numbers = [value] if isinstance(value, int | float) else [*value]
    if (
        len(numbers) not in (1, 3)
        or not all(0 <= number <= 1 for number in numbers)
        or (argument == "std" and 0 in numbers)
    ):
        raise InputError(
            f"{argument}={value}: give one number or three, in [0, 1] as images are{', above 0' * (argument == 'std')},"
            " or null"
        )
    return torch.tensor(numbers, dtype=torch.float32).view(1, -1, 1, 1)


def normal(noise: ImageNoise, count: int) -> Float32[Tensor, "b {count}"]:
    """The next ``count`` standard normal numbers of each image, from two uniform ones each.

    Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """
    radius, angle = noise.uniform(2 * count).chunk(2, dim=1)
    return (-2 * torch.log1p(-radius)).sqrt() * torch.cos(2 * math.pi * angle)
