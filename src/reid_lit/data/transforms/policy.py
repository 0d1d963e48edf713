"""Augmentation policies found by search: a few operations of torchvision on some of the images."""

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torchvision.transforms import v2
from typing_extensions import override

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import check_probability
from reid_lit.errors import InputError

_LEVELS = torch.arange(10, dtype=torch.float64)
"""Of a policy's operations; the largest that there could be is 10."""

_Magnitudes = Callable[[int, int, int], torch.Tensor]
"""From the number of levels, height and width to the magnitude of each level."""


class AutoAugment(nn.Module):
    """AutoAugment with one of torchvision's policies, each image with some probability.

    The operations draw from torch's generator, which is seeded for each image and restored afterwards. So an image's
    change does not depend on its batch. This is slow, because images are changed one by one. It has to come before all
    modules that make the images float.

    Args:
        probability: Of changing an image, in [0, 1].
        policy: ``imagenet``, ``cifar10`` or ``svhn``.
        magnitudes: What an operation's level means: ``fastreid`` or ``torchvision``, see
            :class:`FastReidAutoAugment`. Images that are turned or moved get a grey border or a black one.

    Source: Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", CVPR 2019.

    Raises:
        ValueError: the probability is outside [0, 1], or the policy or its magnitudes unknown.
    """

    def __init__(self, *, probability: float, policy: str, magnitudes: str) -> None:
        super().__init__()
        check_probability(probability)
        policies = [choice.value for choice in v2.AutoAugmentPolicy]
        if policy not in policies:
            raise InputError(f"policy={policy!r}: unknown; choose one of {', '.join(policies)}")
        if magnitudes not in ("fastreid", "torchvision"):
            raise InputError(f"magnitudes={magnitudes!r}: unknown; choose one of fastreid, torchvision")
        self.probability = probability
        if magnitudes == "fastreid":
            self.change = FastReidAutoAugment(v2.AutoAugmentPolicy(policy), interpolation="bilinear", fill=128)
        else:
            self.change = v2.AutoAugment(v2.AutoAugmentPolicy(policy))

    @override
    def forward(self, image: UInt8[Tensor, "b 3 h w"], noise: ImageNoise) -> UInt8[Tensor, "b 3 h w"]:
        chosen, seeds = noise.uniform(2).cpu().unbind(dim=1)
        rows = (chosen < self.probability).nonzero()[:, 0].tolist()
        if not rows:
            return image
        image = image.clone()
        with torch.random.fork_rng(devices=[]):
            for row in rows:
                torch.manual_seed(int(seeds[row] * 2**24))
                image[row] = self.change(image[row])
        return image


class FastReidAutoAugment(v2.AutoAugment):
    """torchvision's policies with the magnitudes of FastReID, where level 10 is the largest and 9 is in torchvision.

    So all that turns, shears or moves is a tenth weaker. Of colour, contrast, brightness and sharpness a level is the
    factor itself, from 0.1 to 1.9, where torchvision adds or subtracts up to 0.9 at random. Posterizing keeps 7 bits at
    level 8, where torchvision keeps 4. A solarizing threshold rises with the level, where torchvision's falls.

    Source: He et al., "FastReID: A Pytorch Toolbox for General Instance Re-identification", 2020 (public code), after
    Cubuk et al. 2019. Its interpolation is bilinear or bicubic at random; here it is bilinear.
    """

    _AUGMENTATION_SPACE: ClassVar[dict[str, tuple[_Magnitudes, bool]]] = {
        **v2.AutoAugment._AUGMENTATION_SPACE,
        **dict.fromkeys(("ShearX", "ShearY"), (lambda *_: 0.03 * _LEVELS, True)),
        "TranslateX": (lambda _, __, width: 0.045 * width * _LEVELS, True),
        "TranslateY": (lambda _, height, __: 0.045 * height * _LEVELS, True),
        "Rotate": (lambda *_: 3 * _LEVELS, True),
        # torchvision adds 1 to get the factor
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), (lambda *_: 0.18 * _LEVELS - 0.9, False)),
        "Posterize": (lambda *_: 4 + 4 * _LEVELS // 10, False),
        # of 255; half a step below the whole number, so that rounding cannot pass it
        "Solarize": (lambda *_: (256 * _LEVELS // 10 - 0.5) / 255, False),
    }
