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

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
"""The endings of image files, in lower case."""

EMPTY = "empty"
TRUNCATED = "truncated"
DAMAGED = "damaged"
OTHER = "not an image"
CLOSED = "cannot be read"

_STARTS = {b"\xff\xd8": "JPEG", b"\x89PNG": "PNG", b"BM": "BMP", b"RIFF": "WebP"}
_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF document",
    b"\x89HDF": "an HDF5 file",
    b"MATLAB": "a MATLAB file",
    b"version https://git-lfs": "a Git LFS pointer, whose image was not fetched",
}


def trouble(name: str) -> str:
    """Why a file cannot be used as an image: one of this module's words and, in brackets, the detail.

    JPEG is decoded to an eighth of its size, in grey: this reads every byte and takes a twelfth of the time.

    Args:
        name: The file.

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
            with Image.open(io.BytesIO(data)) as image:
                image.draft("L", (1, 1))
                image.load()
    except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, … for the many kinds of damage
        return _damage(data, error)
    if data.startswith(b"\xff\xd8") and data.endswith(bytes(16)) and not _ends(data, "JPEG"):
        return f"{TRUNCATED} (its last {len(data) - len(data.rstrip(bytes(1)))} of {len(data)} bytes are zeros)"
    return ""


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
    return len(data) >= 8 + int.from_bytes(data[4:8], "little")


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
    """Read lines with a JSON list of names; answer each with the list of their reasons."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps([trouble(name) for name in json.loads(line)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer()
