"""Small copies of images, for pages."""

import hashlib
import io
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from reid_lit.errors import InputError
from reid_lit.files.access import state
from reid_lit.files.pixels import pixels
from reid_lit.pages.render import data_uri
from reid_lit.progress import progress

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThumbnailSize:
    """The size and quality of small copies.

    Attributes:
        width: Pixels at most.
        height: Pixels at most; proportions stay.
        quality: JPEG's, from 1 to 95.
    """

    width: int
    height: int
    quality: int


def thumbnails(
    paths: Iterable[str], folder: Path | None, size: ThumbnailSize, *, threads: int = 4
) -> dict[str, str | None]:
    """Make a small JPEG of each image, once however often it is named, and give its address in a page by ``folder``.

    Args:
        paths: The image files; one that cannot be read has None for an address.
        folder: Where the copies go, under names that depend on the path alone, so that a page made again finds them;
            None keeps them in the addresses themselves.
        size: How large.
        threads: Images made side by side; decoders let go of the interpreter.
    """
    files = [Path(path) for path in dict.fromkeys(paths)]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(threads) as pool, progress("thumbnails") as advance:
        made: dict[str, str | None] = {}
        for file, address in zip(files, pool.map(lambda file: _address(file, folder, size), files), strict=True):
            made[str(file)] = address
            advance(len(made), len(files))
    missing = [file for file, address in made.items() if address is None]
    if missing:
        _log.warning("%d of %d images cannot be read, such as %s", len(missing), len(made), missing[0])
    return made


def _address(file: Path, folder: Path | None, size: ThumbnailSize) -> str | None:
    """Where the small copy of ``file`` is; None when there is none to make."""
    try:
        if folder is None:
            return data_uri(_small(file, size), "image/jpeg")
        key = f"{file} {size.width}x{size.height} {size.quality}".encode()
        copy = folder / f"{hashlib.blake2b(key, digest_size=10).hexdigest()}.jpg"
        if not copy.is_file() or copy.stat().st_mtime_ns < state(file)[1]:
            copy.write_bytes(_small(file, size))
    except (OSError, InputError):
        return None
    return f"{folder.name}/{copy.name}"


def _small(file: Path, size: ThumbnailSize) -> bytes:
    small = ImageOps.contain(Image.fromarray(pixels(file)), (size.width, size.height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=size.quality, optimize=True)
    return buffer.getvalue()
