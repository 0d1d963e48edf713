"""From an image file to a uint8 tensor of the network's size, in a worker.

PIL reads every format: torchvision's decoders give the same pixels a little faster, but are deprecated since its
release 0.29 and will be removed. torch resizes: PIL's pixels (within 1 of 255), four times as fast.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def decode(path: Path, *, size: tuple[int, int], interpolation: str) -> UInt8[Tensor, "3 h w"]:
    """The image in RGB, upright, resized with antialiasing.

    Args:
        path: The file.
        size: Height and width in pixels.
        interpolation: ``bicubic`` or ``bilinear``.

    Raises:
        ValueError: the file is missing or is no image that can be read to its end.
    """
    pixels = torch.from_numpy(_pixels(path)).permute(2, 0, 1)
    if pixels.shape[1:] != size:
        pixels = F.interpolate(pixels[None], size=size, mode=interpolation, antialias=True)[0]
    return pixels.contiguous()


def _pixels(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return np.array(_rgb(image))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable image ({error}); remove it or copy it anew") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 bit grey, which PIL would clip at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":  # a palette may hold transparency
        image = image.convert("RGBA")
    return image.convert("RGB")
