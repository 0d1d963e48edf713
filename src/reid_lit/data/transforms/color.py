"""Random changes of an image's colours."""

from collections.abc import Sequence

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Images, as_float, check_probability
from reid_lit.errors import InputError

Factor = Float32[Tensor, "b 1 1 1"]


class ColorJitter(nn.Module):
    """Changes brightness, contrast, saturation and hue of each image by random factors, with some probability.

    The four are torchvision's, clamped to [0, 1] after each; torchvision draws their order; here the order is fixed.

    Args:
        probability: Of changing an image at all, in [0, 1].
        brightness: Least and largest factor, uniform between them; [1, 1] changes nothing, 0 is black.
        contrast: Least and largest factor; 0 is the image's mean grey.
        saturation: Least and largest factor; 0 is the grey image.
        hue: Least and largest turn of the colour wheel, in [-0.5, 0.5]; [0, 0] changes nothing.

    Raises:
        ValueError: a pair is not two factors ≥ 0 (two turns) in ascending order, or the probability is outside [0, 1].
    """

    def __init__(
        self,
        *,
        probability: float,
        brightness: Sequence[float],
        contrast: Sequence[float],
        saturation: Sequence[float],
        hue: Sequence[float],
    ) -> None:
        super().__init__()
        check_probability(probability)
        if len(hue) != 2 or not -0.5 <= hue[0] <= hue[1] <= 0.5:
            raise InputError(f"hue={list(hue)}: give [least, largest] turn in [-0.5, 0.5], such as [-0.1, 0.1]")
        ranges = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, pair in ranges.items():
            if len(pair) != 2 or not 0 <= pair[0] <= pair[1]:
                raise InputError(f"{name}={list(pair)}: give [least, largest] factor ≥ 0, such as [0.8, 1.2]")
        self.probability = probability
        self.ranges = (*((float(low), float(high)) for low, high in ranges.values()), (float(hue[0]), float(hue[1])))

    @override
    def forward(self, image: Images, noise: ImageNoise) -> Float32[Tensor, "b 3 h w"]:
        image = changed = as_float(image)
        chosen, *shares = noise.uniform(5)[:, :, None, None, None].unbind(dim=1)
        for share, (low, high), (change, neutral) in zip(shares, self.ranges, CHANGES, strict=True):
            if (low, high) != (neutral, neutral):
                changed = change(changed, share * (high - low) + low)
        return changed if self.probability == 1 else torch.where(chosen < self.probability, changed, image)


def brightened(image: Float32[Tensor, "b 3 h w"], factor: Factor) -> Float32[Tensor, "b 3 h w"]:
    """Multiply the images by their factors."""
    return (image * factor).clamp_(0, 1)


def contrasted(image: Float32[Tensor, "b 3 h w"], factor: Factor) -> Float32[Tensor, "b 3 h w"]:
    """Move the images away from their mean grey.

    The mean is a sum of whole numbers, which is the same in any order: on any device, in a batch of any size.
    """
    total = (grey(image) * 2**20).long().sum(dim=(1, 2, 3), keepdim=True)
    mean = total.to(torch.float32) / (2**20 * image[0, 0].numel())
    return (image * factor + mean * (1 - factor)).clamp_(0, 1)


def saturated(image: Float32[Tensor, "b 3 h w"], factor: Factor) -> Float32[Tensor, "b 3 h w"]:
    """Move the images away from their grey versions."""
    return (image * factor + grey(image) * (1 - factor)).clamp_(0, 1)


def grey(image: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 1 h w"]:
    """Luma, with torchvision's weights."""
    red, green, blue = image.split(1, dim=1)
    return red * 0.2989 + green * 0.587 + blue * 0.114


def turned(image: Float32[Tensor, "b 3 h w"], turn: Factor) -> Float32[Tensor, "b 3 h w"]:
    """Move the hues of the images along the colour wheel; 1 is a whole turn.

    Source: Smith, "Color Gamut Transform Pairs", SIGGRAPH 1978 (the hexcone model).
    """
    value, low = image.amax(1, keepdim=True), image.amin(1, keepdim=True)
    chroma = value - low
    red, green, blue = image.split(1, dim=1)
    safe = torch.where(chroma == 0, 1.0, chroma)
    sector = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = torch.where(chroma == 0, 0.0, sector) + 6 * turn  # in sixths of a turn
    place = torch.tensor([5.0, 3.0, 1.0], device=image.device)[:, None, None]
    ramp = (place + hue).remainder(6)
    return (value - chroma * torch.minimum(ramp, 4 - ramp).clamp(0, 1)).clamp_(0, 1)


CHANGES = ((brightened, 1.0), (contrasted, 1.0), (saturated, 1.0), (turned, 0.0))
"""The changes in their order, each with the factor that changes nothing."""
