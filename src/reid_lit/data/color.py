"""Random changes of an image's colours."""

from collections.abc import Sequence

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.data.noise import ImageNoise
from reid_lit.data.transforms import Images, as_float

Factor = Float32[Tensor, "b 1 1 1"]


class ColorJitter(nn.Module):
    """Changes brightness, then contrast, then saturation of each image by random factors of its own.

    The three are torchvision's, clamped to [0, 1] after each; torchvision draws their order, here it is fixed.

    Args:
        brightness: Least and largest factor, uniform between them; [1, 1] leaves the image as it is, 0 is black.
        contrast: Likewise; 0 is the image's mean grey.
        saturation: Likewise; 0 is the grey image.

    Raises:
        ValueError: a pair is not two factors ≥ 0 in their order.
    """

    def __init__(
        self,
        *,
        brightness: Sequence[float] = (1.0, 1.0),
        contrast: Sequence[float] = (1.0, 1.0),
        saturation: Sequence[float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        ranges = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, pair in ranges.items():
            if len(pair) != 2 or not 0 <= pair[0] <= pair[1]:
                raise ValueError(f"ColorJitter({name}={list(pair)}) is not [least, largest] factor, such as [0.8, 1.2]")
        self.ranges = tuple((float(low), float(high)) for low, high in ranges.values())

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        image = as_float(image)
        for share, (low, high), change in zip(
            noise.uniform(3).unbind(dim=1), self.ranges, (brightened, contrasted, saturated), strict=True
        ):
            if (low, high) != (1.0, 1.0):
                image = change(image, (share * (high - low) + low)[:, None, None, None])
        return image


def brightened(image: Float32[Tensor, "b 3 h w"], factor: Factor) -> Float32[Tensor, "b 3 h w"]:
    """The images times their factors."""
    return (image * factor).clamp_(0, 1)


def contrasted(image: Float32[Tensor, "b 3 h w"], factor: Factor) -> Float32[Tensor, "b 3 h w"]:
    """The images away from their mean grey.

    Its sum is one of whole numbers, which is the same in any order: on any device, in a batch of any size.
    """
    total = (grey(image) * 2**20).long().sum(dim=(1, 2, 3), keepdim=True)
    mean = total.to(torch.float32) / (2**20 * image[0, 0].numel())
    return (image * factor + mean * (1 - factor)).clamp_(0, 1)


def saturated(image: Float32[Tensor, "b 3 h w"], factor: Factor) -> Float32[Tensor, "b 3 h w"]:
    """The images away from their grey selves."""
    return (image * factor + grey(image) * (1 - factor)).clamp_(0, 1)


def grey(image: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 1 h w"]:
    """Luma, with torchvision's weights."""
    red, green, blue = image.split(1, dim=1)
    return red * 0.2989 + green * 0.587 + blue * 0.114
