"""Image files as PIL opens them: of the formats that crops come in, and of no other."""

from pathlib import Path
from typing import IO

from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
"""PIL tries every format that it knows, whatever a file is called: for PostScript it would start Ghostscript."""


def open_image(file: str | Path | IO[bytes]) -> Image.Image:
    """As ``PIL.Image.open``, for :data:`FORMATS` alone.

    Raises:
        PIL.UnidentifiedImageError: the file has none of these formats.
    """
    return Image.open(file, formats=FORMATS)
