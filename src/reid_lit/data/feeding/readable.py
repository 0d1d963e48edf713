"""Whether a file is an image that can be read to its end; run as a process, it answers on standard output.

It needs little but PIL, so that its process starts within a twentieth of a second.
"""

import io
import json
import sys
import warnings
from pathlib import Path

from PIL import Image

from reid_lit.files.access import read_bytes
from reid_lit.files.image import open_image

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""The endings of image files, in lower case."""

MAX_PIXELS = 16_000_000
"""Pixels of an image that is taken for a crop where nothing else is said."""

EMPTY = "empty"
TRUNCATED = "truncated"
DAMAGED = "damaged"
OTHER = "not an image"
CLOSED = "cannot be read"
TOO_LARGE = "too large"

_STARTS = {
    b"\xff\xd8": "JPEG",
    b"\x89PNG": "PNG",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"GIF8": "GIF",
    b"II*": "TIFF",
    b"MM\0*": "TIFF",
}
_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"\x89HDF": "an HDF5 file",
    b"MATLAB": "a MATLAB file",
    b"version https://git-lfs": "a Git LFS pointer, whose image was not fetched",
}


def trouble(name: str, max_pixels: int = MAX_PIXELS) -> str:
    """Why a file cannot be used as an image: one of this module's words and, in brackets, the detail.

    JPEG is decoded to an eighth of its size, in grey: this reads every byte and takes a twelfth of the time.

    Args:
        name: The file.
        max_pixels: More than these are no crop.

    Returns:
        The reason; empty if the image is whole.
    """
    try:
        data = read_bytes(Path(name))
    except OSError as error:
        return f"{CLOSED} ({error.strerror or error})"
    if not data:
        return f"{EMPTY} (0 bytes)"
    try:
        with warnings.catch_warnings():  # about odd metadata or a great size
            warnings.simplefilter("ignore")
            with open_image(io.BytesIO(data)) as image:
                if image.width * image.height > max_pixels:
                    return too_large(image.width, image.height, max_pixels)
                image.draft("L", (1, 1))
                image.load()
    except Image.DecompressionBombError:
        return f"{TOO_LARGE} (more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; make it smaller)"
    except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, … for the many kinds of damage
        return _damage(data, error)
    if data.startswith(b"\xff\xd8") and data.endswith(bytes(16)) and not _ends(data, "JPEG"):
        return f"{TRUNCATED} (its last {len(data) - len(data.rstrip(bytes(1)))} of {len(data)} bytes are zeros)"
    return ""


def too_large(width: int, height: int, max_pixels: int) -> str:
    """The reason for an image that is too large to be a crop."""
    return f"{TOO_LARGE} ({width} × {height} are more than max_pixels={max_pixels:,}; make it smaller, or raise that)"


def _damage(data: bytes, error: Exception) -> str:
    """The reason for data that cannot be decoded."""
    kind = next((kind for start, kind in _STARTS.items() if data.startswith(start)), "")
    if not kind:
        return f"{OTHER} ({_kind(data)})"
    if not _ends(data, kind):
        return f"{TRUNCATED} (a {kind} file that ends after {len(data)} bytes)"
    detail = f"a {kind} header that says nothing" if isinstance(error, Image.UnidentifiedImageError) else error
    return f"{DAMAGED} ({detail})"


def _ends(data: bytes, kind: str) -> bool:
    """Whether the data have the end that their format prescribes."""
    if kind == "JPEG":
        return data.rstrip(b"\0").endswith(b"\xff\xd9")
    if kind == "PNG":
        return b"IEND" in data[-64:]
    if kind == "BMP":
        return len(data) >= int.from_bytes(data[2:6], "little")
    if kind == "WebP":
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return True  # a GIF's or TIFF's decoder says it


def _kind(data: bytes) -> str:
    """The kind of data that are no image."""
    for start, kind in _OTHERS.items():
        if data.startswith(start):
            return kind
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in text:
        return "an HTML page"
    if text.startswith(b"<?xml"):
        return "an XML file"
    if not any(byte < 9 or 13 < byte < 32 for byte in data[:512]):
        return "text"
    return "zeros" if not data.strip(b"\0") else f"begins with the bytes {data[:4].hex(' ')}"


def answer() -> None:
    """Read lines with a JSON list of names; answer each with their reasons. The argument is ``max_pixels``."""
    max_pixels = int(sys.argv[1])
    for line in sys.stdin:
        sys.stdout.write(json.dumps([trouble(name, max_pixels) for name in json.loads(line)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer()
