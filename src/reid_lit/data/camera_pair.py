"""Images of two cameras for a translation between their styles: drawn, cropped, mirrored, in [-1, 1]."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, Le
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from typing_extensions import override

from reid_lit.data.feeding.decode import decode_shots
from reid_lit.data.feeding.loading import BatchLoader
from reid_lit.errors import InputError
from reid_lit.records import Shot

Views = tuple[Float[Tensor, "3 h w"], Float[Tensor, "3 h w"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairImages:
    """How images of a pair of cameras are shown to the networks.

    Attributes:
        size: Height and width in pixels of what the networks see.
        load: Height and width to which images are resized in training, before ``size`` is cut out at a random place.
        flip: The probability that an image is mirrored in training.
        batch_size: Images of each camera in a training step.

    Raises:
        ValueError: a size is no pair of positive numbers, ``load`` is below ``size``, or a number is out of range.
    """

    size: Sequence[int]
    load: Sequence[int]
    flip: Annotated[float, Ge(0), Le(1)]
    batch_size: int

    def __post_init__(self) -> None:
        for name, value in (("size", self.size), ("load", self.load)):
            if len(value) != 2 or min(value) < 1:
                raise InputError(f"{name}={list(value)}: not [height, width] in pixels, such as [256, 256]")
        if any(load < size for load, size in zip(self.load, self.size, strict=True)):
            raise InputError(f"load={list(self.load)}: below size={list(self.size)}, which is cut out of it")
        if self.batch_size < 1:
            raise InputError(f"batch_size={self.batch_size}: holds no image; give 1 or more")


class View(NamedTuple):
    """An image, and how it is shown.

    Attributes:
        position: In the list of its camera.
        top: Where the cut begins, as a part of what is left over, in [0, 1).
        left: Likewise.
        mirror: Whether it is mirrored.
    """

    position: int
    top: float
    left: float
    mirror: bool


class PairSampler(Sampler[tuple[View, View]]):
    """The images of A in a new order each epoch, each with a random one of B, as many as the longer list has.

    Each draw depends on (seed, epoch) only, so a training that is resumed repeats it.

    Source: the unaligned data set of Zhu et al.'s public code, ICCV 2017: an epoch is as long as the longer list, and
        the positions of A repeat modulo its length.

    Args:
        counts: The number of images of A and of B.
        flip: The probability that an image is mirrored.
        seed: Of the draws.
    """

    def __init__(self, *, counts: tuple[int, int], flip: float, seed: int) -> None:
        self.counts, self.flip, self.seed, self.epoch = counts, flip, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the draw; Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return max(self.counts)

    @override
    def __iter__(self) -> Iterator[tuple[View, View]]:
        source = random.Random(f"camera pair {self.seed} {self.epoch}")
        order = list(range(len(self)))
        source.shuffle(order)
        for position in order:
            a, b = position % self.counts[0], source.randrange(self.counts[1])
            yield self._view(a, source), self._view(b, source)

    def _view(self, position: int, source: random.Random) -> View:
        return View(position, source.random(), source.random(), source.random() < self.flip)


class PairDataset(Dataset[Views]):
    """The images of two cameras as the networks see them in training.

    Args:
        shots: Those of A and those of B.
        images: How they are shown.
    """

    def __init__(self, shots: tuple[Sequence[Shot], Sequence[Shot]], images: PairImages) -> None:
        self.shots, self.images = shots, images

    @override
    def __getitem__(self, index: tuple[View, View]) -> Views:
        a, b = (self._seen(shots[view.position], view) for shots, view in zip(self.shots, index, strict=True))
        return a, b

    def _seen(self, shot: Shot, view: View) -> Float[Tensor, "3 h w"]:
        height, width = self.images.size
        image = decoded([shot], self.images.load)[0]
        top = math.floor(view.top * (image.shape[1] - height + 1))
        left = math.floor(view.left * (image.shape[2] - width + 1))
        cut = as_seen(image[:, top : top + height, left : left + width])
        return cut.flip(-1) if view.mirror else cut


def pair_loader(
    shots: tuple[Sequence[Shot], Sequence[Shot]], images: PairImages, *, seed: int, workers: int
) -> BatchLoader:
    """The training batches of a pair of cameras; an incomplete last one is kept.

    Args:
        shots: Those of A and those of B.
        images: How they are shown.
        seed: Of the draws.
        workers: Processes that read.
    """
    counts = (len(shots[0]), len(shots[1]))
    return BatchLoader(
        PairDataset(shots, images),  # type: ignore[arg-type]
        batch_size=images.batch_size,
        sampler=PairSampler(counts=counts, flip=images.flip, seed=seed),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        generator=torch.Generator(),
    )


def decoded(shots: Sequence[Shot], size: Sequence[int]) -> UInt8[Tensor, "b 3 h w"]:
    """Images of a size, resized bicubically."""
    return decode_shots(shots, size=(size[0], size[1]), interpolation="bicubic")


def as_seen(image: UInt8[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 3 h w"]:
    """0 … 255 to [-1, 1].

    >>> as_seen(torch.tensor([0, 255], dtype=torch.uint8).expand(3, 1, 2))[0].tolist()
    [[-1.0, 1.0]]
    """
    return image.float() / 127.5 - 1


def as_bytes(image: Float[Tensor, "*b 3 h w"]) -> UInt8[Tensor, "*b 3 h w"]:
    """[-1, 1] to 0 … 255, rounded."""
    return ((image.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
