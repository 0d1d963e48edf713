"""From image files to uint8 tensors of the network's size, in a worker.

OpenCV decodes ordinary JPEGs, in half of PIL's time and with the same pixels. PIL decodes the rest: other formats,
other than three colours of 8 bit, a header with EXIF (its orientation), and a file without its end (OpenCV would fill
in grey). torchvision's decoders are deprecated since its release 0.29.

torch resizes nearly to PIL's pixels (within 4 of 255), in a fifth of PIL's time if several images are stored as (h w 3)
and resized at once. So all batches have this memory layout, with which networks run fastest too.
"""

import io
import math
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.files.access import read_bytes
from reid_lit.files.image import open_image
from reid_lit.files.index import PackError

_AT_ONCE = 2**22  # bytes resized by one call: a batch of small crops, but one photograph
_FRAMES = (0xC0, 0xC1, 0xC2)  # JPEG's frame headers: baseline, extended, progressive
_APPLICATION = (0xE1, 0xEE)  # EXIF and Adobe, which change what the pixels mean
_PIXELS = 2**26  # above it PIL checks for decompression bombs
_READ = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


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


def pixels(path: Path) -> np.ndarray:
    """The image in RGB, upright, uint8 (h w 3).

    Raises:
        ValueError: the file is missing or is no image that can be read to its end, or its pack cannot be used.
    """
    try:
        data = read_bytes(path)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _READ) if _is_ordinary(data) else None
        return _decoded_by_pil(data) if image is None else image
    except PackError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, cv2.error, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({error}); remove it or copy it anew") from error


def _is_ordinary(data: bytes) -> bool:
    """Whether the data are a whole JPEG of three colours of 8 bit without EXIF, by its markers."""
    if not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
        return False
    place, last = 2, len(data) - 10
    while place < last and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = data[place + 5] << 8 | data[place + 6], data[place + 7] << 8 | data[place + 8]
            return data[place + 4] == 8 and data[place + 9] == 3 and 0 < height * width < _PIXELS
        if marker in _APPLICATION:
            return False
        place += 2 + (data[place + 2] << 8 | data[place + 3])
    return False


def _decoded_by_pil(data: bytes) -> np.ndarray:
    with open_image(io.BytesIO(data)) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return np.array(rgb(image))


def rgb(image: Image.Image) -> Image.Image:
    """The image in RGB of 8 bit, whatever its mode."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 bit grey, which PIL would clip at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":  # a palette may hold transparency
        image = image.convert("RGBA")
    return image.convert("RGB")
