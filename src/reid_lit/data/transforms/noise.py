"""Random numbers that belong to an image, not to a batch, a rank or a device.

Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (the finaliser of
SplitMix64), used as a counter-based generator in the manner of Salmon et al., "Parallel Random Numbers: As Easy as 1,
2, 3", SC 2011.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_STEP = 0x9E3779B97F4A7C15 - 2**64  # as signed 64 bit, which wraps alike on CPU and GPU
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


class ImageNoise:
    """A stream of uniform numbers for each image of a batch.

    The numbers are a function of (seed, epoch, index, earlier repeats of the index in this batch): the same on CPU
    and GPU, in any order of batches, for any number of ranks, and after a resume. Nothing is copied between devices.

    Args:
        index: The images' positions in the training list; a repeated position gets another stream.
        seed: The run's seed.
        epoch: The epoch.

    Example:
        >>> noise = ImageNoise(torch.tensor([7, 8]), seed=0, epoch=3)
        >>> noise.uniform(2).shape
        torch.Size([2, 2])
    """

    def __init__(self, index: Int64[Tensor, " b"], *, seed: int, epoch: int) -> None:
        repeats = (index[:, None] == index[None, :]).tril(diagonal=-1).sum(dim=1)
        run = _mixed(torch.tensor(seed) + epoch * _wrapped(_STEP)).item()  # on the CPU: no wait for the device
        self._key = _mixed(_mixed(index + int(run)) + repeats)
        self._drawn = 0

    def uniform(self, count: int) -> Float[Tensor, "b {count}"]:
        """The next ``count`` numbers of each image, float32 in [0, 1)."""
        steps = torch.arange(self._drawn + 1, self._drawn + count + 1, device=self._key.device)
        self._drawn += count
        bits = _mixed(self._key[:, None] + steps * _STEP)
        return ((bits >> 40) & 0xFFFFFF).to(torch.float32) / 2**24


def _mixed(bits: Int64[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Int64[Tensor, "*shape"], count: int) -> Int64[Tensor, "*shape"]:
    return (bits >> count) & (2 ** (64 - count) - 1)  # torch's shift keeps the sign


def _wrapped(number: int) -> Tensor:
    return torch.tensor(number)
