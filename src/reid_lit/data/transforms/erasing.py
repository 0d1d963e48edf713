"""Random erasing: a rectangle of an image is painted over."""

from collections.abc import Sequence

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Images, as_float, check_probability
from reid_lit.errors import InputError

ATTEMPTS = 100
IMAGENET_MEAN = (0.485, 0.456, 0.406)
Boxes = Int64[Tensor, "b 4"]
"""Top, left, height and width in pixels; height and width are 0 where nothing is erased."""


class Erase(nn.Module):
    """Paints a rectangle of random place, area and aspect over each image, with some probability.

    Up to 100 rectangles are drawn for an image; the first that is lower and narrower than the image is erased.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, Algorithm 1, with the uniform aspect and the
    fill of the public code of Luo et al., "A Strong Baseline and Batch Normalization Neck for Deep Person
    Re-identification", TMM 2019.

    Args:
        probability: In [0, 1].
        area: Least and largest part of the image that is erased, in (0, 1].
        aspect: Least and largest height / width of the rectangle; uniform between them.
        fill: Red, green and blue in [0, 1], or ``random`` for a uniform value of each pixel and colour. ImageNet's
            mean becomes 0 when it is normalised. The public code wrote the mean into normalised images; there it is the
            colour mean·(1 + std), so [0.596, 0.558, 0.497].

    Raises:
        ValueError: a number is outside its range.
    """

    def __init__(
        self,
        *,
        probability: float,
        area: Sequence[float],
        aspect: Sequence[float],
        fill: Sequence[float] | str,
    ) -> None:
        super().__init__()
        check_probability(probability)
        if len(area) != 2 or not 0 < area[0] <= area[1] <= 1:
            raise InputError(
                f"area={list(area)}: give [least, largest] part of the image in (0, 1], such as [0.02, 0.4]"
            )
        if len(aspect) != 2 or not 0 < aspect[0] <= aspect[1]:
            raise InputError(f"aspect={list(aspect)}: give [least, largest] height / width above 0, such as [0.3, 3.3]")
        if fill != "random" and (isinstance(fill, str) or len(fill) != 3 or not all(0 <= c <= 1 for c in fill)):
            raise InputError(f"fill={fill!r}: give random, or red, green and blue in [0, 1]")
        self.probability = probability
        self.area = tuple(area)
        self.aspect = tuple(aspect)
        self.fill = None if isinstance(fill, str) else tuple(fill)

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        image = image.clone() if image.is_floating_point() else as_float(image)
        boxes = self.boxes(noise, *image.shape[2:])
        if self.fill is None:
            paint = noise.uniform(image[0].numel()).view(image.shape)
        else:
            colors = [image.new_full((1, 1, 1, 1), color) for color in self.fill]  # made on the device: no wait for it
            paint = torch.cat(colors, dim=1).expand_as(image)
        return paint_masks(image, boxes, paint) if image.is_cuda else paint_slices(image, boxes, paint)

    def boxes(self, noise: ImageNoise, height: int, width: int) -> Boxes:
        """The rectangles of images of ``height`` × ``width`` pixels."""
        chosen = noise.uniform(1)[:, 0] < self.probability
        area, aspect = noise.uniform(2 * ATTEMPTS).chunk(2, dim=1)
        area = _between(self.area, area) * (height * width)
        aspect = self.aspects(aspect)
        heights, widths = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
        fits = (heights < height) & (widths < width)
        first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)  # of several, argmax gives the first
        erased = (chosen & fits.any(dim=1))[:, None]
        tall, wide = heights.gather(1, first) * erased, widths.gather(1, first) * erased
        free = torch.cat([height + 1 - tall, width + 1 - wide], dim=1)
        return torch.cat([noise.uniform(2) * free, tall, wide], dim=1).long()

    def aspects(self, share: Float32[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Height / width of rectangles, from uniform numbers in [0, 1)."""
        return _between(self.aspect, share)


def paint_slices(image: Images, boxes: Boxes, paint: Float32[Tensor, "b 3 h w"]) -> Images:
    """Copy ``paint`` into the boxes of the images, in place, box by box."""
    for target, source, (top, left, height, width) in zip(image.numpy(), paint.numpy(), boxes.tolist(), strict=True):
        window = slice(None), slice(top, top + height), slice(left, left + width)
        target[window] = source[window]
    return image


def paint_masks(image: Images, boxes: Boxes, paint: Float32[Tensor, "b 3 h w"]) -> Images:
    """As :func:`paint_slices`, but in a new tensor, by a few kernels for a batch."""
    top, left, height, width = boxes[:, :, None, None].unbind(dim=1)
    row = torch.arange(image.shape[2], device=image.device)[:, None]
    column = torch.arange(image.shape[3], device=image.device)
    inside = (row >= top) & (row < top + height) & (column >= left) & (column < left + width)
    return torch.where(inside[:, None], paint, image)


def _between(ends: Sequence[float], share: Float32[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
    return share * (ends[1] - ends[0]) + ends[0]
