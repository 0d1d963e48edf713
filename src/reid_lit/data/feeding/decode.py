"""From image files to uint8 tensors of the network's size, in a worker.

The pixels are those of :mod:`reid_lit.files.pixels`, as every picture shows them.

torch resizes nearly to PIL's pixels (within 4 of 255), in a fifth of PIL's time if several images are stored as (h w 3)
and resized at once. So all batches have this memory layout, with which networks run fastest too.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from reid_lit.files.pixels import pixels
from reid_lit.records import Shot

_AT_ONCE = 2**22  # bytes resized by one call: a batch of small crops, but one photograph


def decode(path: Path, *, size: tuple[int, int], interpolation: str) -> UInt8[Tensor, "3 h w"]:
    """The image in RGB, upright, resized with antialiasing.

    Args:
        path: The file.
        size: Height and width in pixels.
        interpolation: ``bicubic`` or ``bilinear``.

    Raises:
        ValueError: the file is missing or is no image that can be read to its end.
    """
    return decode_batch([path], size=size, interpolation=interpolation)[0]


def decode_batch(paths: Sequence[Path], *, size: tuple[int, int], interpolation: str) -> UInt8[Tensor, "b 3 h w"]:
    """As :func:`decode`, for a batch; its memory layout is (b h w 3), which torch calls ``channels_last``.

    Args:
        paths: The files.
        size: Height and width in pixels.
        interpolation: ``bicubic`` or ``bilinear``.

    Raises:
        ValueError: a file is missing or is no image that can be read to its end.
    """
    return resized(map(pixels, paths), size=size, interpolation=interpolation)


def decode_shots(shots: Sequence[Shot], *, size: tuple[int, int], interpolation: str) -> UInt8[Tensor, "b 3 h w"]:
    """As :func:`decode_batch`, for the images of shots, whose values each have their range."""
    read = (pixels(shot.path, shot.value_range) for shot in shots)
    return resized(read, size=size, interpolation=interpolation)


def resized(images: Iterator[np.ndarray], *, size: tuple[int, int], interpolation: str) -> UInt8[Tensor, "b 3 h w"]:
    """Resize uint8 images (height width 3) of any sizes to a batch, as :func:`decode_batch` returns it."""
    groups = [_resized(group, size, interpolation) for group in _alike(images)]
    return groups[0] if len(groups) == 1 else torch.cat(groups)


def _resized(group: np.ndarray, size: tuple[int, int], interpolation: str) -> UInt8[Tensor, "b 3 h w"]:
    image = torch.from_numpy(group).permute(0, 3, 1, 2)
    return image if image.shape[2:] == size else F.interpolate(image, size=size, mode=interpolation, antialias=True)


def _alike(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Stack neighbours of the same size, up to a few megabytes at once."""
    for shape, run in groupby(images, key=lambda image: image.shape):
        at_once = max(1, _AT_ONCE // math.prod(shape))
        while group := list(islice(run, at_once)):
            yield np.stack(group)
