"""Images of digits: scikit-learn's, which come with it, or MNIST's from its files."""

import gzip
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError, MissingFileError

SIZE = 28
"""Height and width in pixels."""


class Digits(NamedTuple):
    """Images in [0, 1] and their classes, 0 … 9."""

    name: str
    train: Float[Tensor, "n 1 28 28"]
    train_class: Int64[Tensor, " n"]
    test: Float[Tensor, "m 1 28 28"]
    test_class: Int64[Tensor, " m"]


def sklearn_digits() -> Digits:
    """1797 images of 8 × 8 pixels, resized to 28 × 28; every third is a test image.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI 1998, test part.
    """
    digits = load_digits()
    small = torch.from_numpy(digits.images).float()[:, None] / 16
    image = F.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    label = torch.from_numpy(digits.target).long()
    test = torch.arange(len(label)) % 3 == 2
    return Digits("scikit-learn's digits", image[~test], label[~test], image[test], label[test])


def mnist(folder: Path) -> Digits:
    """MNIST from its four idx files, gzipped or not; nothing is downloaded.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

    Args:
        folder: Has the files, or ``MNIST/raw`` with them, as torchvision leaves them.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file is no idx file of bytes, or its images are of another size.
    """
    parts = []
    for part in ("train", "t10k"):
        image, label = (_idx(folder, f"{part}-{kind}") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))
        if image.shape != (len(label), SIZE, SIZE):
            raise InputError(f"{folder}: {part} has images {image.shape} for {len(label)} labels; MNIST has 28 × 28")
        parts += [torch.from_numpy(image).float()[:, None] / 255, torch.from_numpy(label).long()]
    return Digits("MNIST", *parts)


def _idx(folder: Path, name: str) -> np.ndarray:
    """The array of an idx file: magic number 0, 0, 8, dimensions; then the dimensions; then bytes."""
    places = [place / (name + end) for place in (folder, folder / "MNIST" / "raw") for end in ("", ".gz")]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise MissingFileError(f"no {name} or {name}.gz in {folder.resolve()}; point mnist at MNIST's four files")
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    count = content[3] if content[:3] == b"\0\0\x08" else 0
    shape = struct.unpack_from(f">{count}I", content, 4) if len(content) >= 4 + 4 * count else ()
    if not count or len(content) != 4 + 4 * count + int(np.prod(shape)):
        raise InputError(f"{file.resolve()} is no whole idx file of bytes; replace it with MNIST's own")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * count).reshape(shape).copy()
