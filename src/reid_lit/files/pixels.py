"""The pixels of an image file: what the network sees, and what every picture of it shows.

OpenCV decodes ordinary JPEGs, in half of PIL's time and with the same pixels. PIL decodes the rest: other formats,
other than three colours of 8 bit, a header with EXIF (its orientation), and a file without its end (OpenCV would fill
in grey). torchvision's decoders are deprecated since its release 0.29.
"""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from reid_lit.errors import InputError
from reid_lit.files.access import read_bytes
from reid_lit.files.box import Box, unboxed
from reid_lit.files.image import open_image
from reid_lit.files.index import PackError

_FRAMES = (0xC0, 0xC1, 0xC2)  # JPEG's frame headers: baseline, extended, progressive
_APPLICATION = (0xE1, 0xEE)  # EXIF and Adobe, which change what the pixels mean
_PIXELS = 2**26  # above it PIL checks for decompression bombs
_READ = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def pixels(path: Path) -> np.ndarray:
    """The image in RGB, upright, uint8 (h w 3); of a path that names a box (:mod:`.box`), that part of it.

    Raises:
        ValueError: the file is missing or is no image that can be read to its end, its pack cannot be used, or its box
            leaves it.
    """
    file, box = unboxed(path)
    if box is not None:
        return _cut(pixels(file), box, path)
    try:
        data = read_bytes(path)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _READ) if _is_ordinary(data) else None
        return _decoded_by_pil(data) if image is None else image
    except PackError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, cv2.error, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({error}); remove it or copy it anew") from error


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
