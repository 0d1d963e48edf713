"""Augmentation policies found by search: a few operations of torchvision on some of the images."""

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torchvision.transforms import v2
from typing_extensions import override

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import check_probability
from reid_lit.errors import InputError


class AutoAugment(nn.Module):
    """AutoAugment with one of torchvision's policies, each image with some probability.

    The operations draw from torch's generator, which is seeded for each image and restored afterwards. So an image's
    change does not depend on its batch. This is slow, because images are changed one by one. It has to come before all
    modules that make the images float.

    Args:
        probability: Of changing an image, in [0, 1].
        policy: ``imagenet``, ``cifar10`` or ``svhn``.

    Source: Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", CVPR 2019.

    Raises:
        ValueError: the probability is outside [0, 1], or the policy unknown.
    """

    def __init__(self, *, probability: float, policy: str) -> None:
        super().__init__()
        check_probability(probability)
        policies = [choice.value for choice in v2.AutoAugmentPolicy]
        if policy not in policies:
            raise InputError(f"policy={policy!r}: unknown; choose one of {', '.join(policies)}")
        self.probability = probability
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
