"""The pixels of an image file: what the network sees, and what every picture of it shows.

OpenCV decodes ordinary JPEGs, in half of PIL's time and with the same pixels. PIL decodes the rest: other formats,
other than three colours of 8 bit, a header with EXIF (its orientation), and a file without its end (OpenCV would fill
in grey). torchvision's decoders are deprecated since its release 0.29.
"""

import io
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from reid_lit.errors import InputError
from reid_lit.files.access import opened, read_bytes
from reid_lit.files.box import Box, unboxed
from reid_lit.files.image import open_image
from reid_lit.files.index import PackError

_FRAMES = (0xC0, 0xC1, 0xC2)  # JPEG's frame headers: baseline, extended, progressive
_APPLICATION = (0xE1, 0xEE)  # EXIF and Adobe, which change what the pixels mean
_PIXELS = 2**26  # above it PIL checks for decompression bombs
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, cv2.error, Image.DecompressionBombError)
_READ = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def pixels(path: Path, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """The image in RGB, upright, uint8 (h w 3); of a path that names a box (:mod:`.box`), that part of it.

    Args:
        path: The file.
        value_range: Of a file of 16 bit or of floats, the values that become 0 and 255, those beyond them too. None: 0
            and 65,535, or 0 and 255 of floats. A file of 8 bit stays as it is.

    Raises:
        ValueError: the file is missing or is no image that can be read to its end, its pack cannot be used, or its box
            leaves it.
    """
    file, box = unboxed(path)
    if box is not None:
        return _cut(pixels(file, value_range), box, path)
    try:
        data = read_bytes(path)
    except PackError:
        raise
    except OSError as error:
        raise InputError(f"{path}: not a readable image ({error}); remove it or copy it anew") from error
    return decoded(data, path, value_range)


def decoded(data: bytes, name: Path | str, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """What :func:`pixels` gives of a file, of the bytes in it.

    Args:
        data: The file.
        name: What an error calls it.
        value_range: As in :func:`pixels`.

    Raises:
        ValueError: it is no image that can be read to its end.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _READ) if _is_ordinary(data) else None
        return _decoded_by_pil(data, value_range) if image is None else image
    except _UNREADABLE as error:
        raise InputError(f"{name}: not a readable image ({error}); remove it or copy it anew") from error


def _cut(image: np.ndarray, box: Box, path: Path) -> np.ndarray:
    bottom, right = box.top + box.height, box.left + box.width
    if bottom > image.shape[0] or right > image.shape[1]:
        raise InputError(f"{path}: the box leaves the image of {image.shape[1]} × {image.shape[0]} pixels; correct it")
    return image[box.top : bottom, box.left : right].copy()  # the frame itself is let go


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


def _decoded_by_pil(data: bytes, value_range: tuple[float, float] | None) -> np.ndarray:
    with open_image(io.BytesIO(data)) as image:
        return shown(image, value_range, data)


def shown(image: Image.Image, value_range: tuple[float, float] | None = None, data: bytes = b"") -> np.ndarray:
    """An image of PIL in RGB, upright, uint8 (h w 3).

    Args:
        image: As it was opened.
        value_range: As in :func:`pixels`.
        data: The file, of which PIL keeps 8 bit alone where it has colours of 16.
    """
    values = None if value_range is None else deep_values(image, data)
    if values is None or value_range is None:
        return np.array(rgb(ImageOps.exif_transpose(image)))
    low, high = value_range
    share = (np.nan_to_num(values).astype(np.float64) - low) / (high - low)
    scaled = Image.fromarray((255 * share.clip(0, 1)).round().astype(np.uint8))
    scaled.getexif()[Base.Orientation] = image.getexif().get(Base.Orientation, 1)
    return np.array(ImageOps.exif_transpose(scaled).convert("RGB"))


def deep_values(image: Image.Image, data: bytes = b"") -> np.ndarray | None:
    """The values of an image of more than 8 bit, (h w) or (h w 3), not turned; None of any other image.

    Args:
        image: As it was opened, not loaded yet.
        data: The file, which is needed for colours of 16 bit.
    """
    if image.mode.startswith(("I", "F")):
        return np.asarray(image)
    if not (data and _has_deep_colours(image)):
        return None
    blue_first = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION  # red first is garbled in TIFF
    values = cv2.imdecode(np.frombuffer(data, np.uint8), blue_first)
    return None if values is None else values[:, :, ::-1]


def _has_deep_colours(image: Image.Image) -> bool:
    """Whether a file has colours of 16 bit, before PIL has made 8 of them."""
    return re.search(r";16[BLN]", str(getattr(image, "tile", ""))) is not None


def values_of(path: Path | bytes) -> np.ndarray | None:
    """The values of a file of more than 8 bit; None of any other, and of one that cannot be read.

    Args:
        path: The file, or what is in it.

    Raises:
        ValueError: its pack cannot be used.
    """
    try:
        with _stream(path) as file, open_image(file) as image:
            if not (image.mode.startswith(("I", "F")) or _has_deep_colours(image)):
                return None
        data = path if isinstance(path, bytes) else read_bytes(unboxed(path)[0])
        with open_image(io.BytesIO(data)) as image:
            return deep_values(image, data)
    except PackError:
        raise
    except _UNREADABLE:
        return None


def _stream(path: Path | bytes) -> AbstractContextManager[IO[bytes]]:
    return io.BytesIO(path) if isinstance(path, bytes) else opened(unboxed(path)[0])


def rgb(image: Image.Image) -> Image.Image:
    """The image in RGB of 8 bit, whatever its mode."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 bit grey, which PIL would clip at 255
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "P":  # a palette may hold transparency
        image = image.convert("RGBA")
    return image.convert("RGB")
