"""A small copy of a data set, which the contract tests write and read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

SIZE = (8, 16)
"""Width and height of the images, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The files of a small copy, and who is on each image.

    Attributes:
        images: Person and camera (counted from 0) that the reader must find for each image, by the image's path below
            the data set's folder.
        files: The content of each other file, by its path.
        copies: The image that an image is a copy of, byte for byte, by the path of the copy.
    """

    images: Mapping[str, tuple[int, int]]
    files: Mapping[str, bytes] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)

    def write(self, root: Path) -> Path:
        """Write all files below ``root``; each image that is no copy is noise of its own."""
        for name in (*self.images, *self.files):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        for name in self.images:
            pixels = hashlib.shake_128(self.copies.get(name, name).encode()).digest(3 * SIZE[0] * SIZE[1])
            Image.frombytes("RGB", SIZE, pixels).save(root / name)
        for name, content in self.files.items():
            (root / name).write_bytes(content)
        return root
