"""Small copies of images, for pages."""

import hashlib
import io
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from reid_lit.errors import InputError
from reid_lit.files.access import state
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
    paths: Iterable[str],
    folder: Path | None,
    size: ThumbnailSize,
    *,
    ranges: Mapping[str, tuple[float, float] | None] = {},
    threads: int = 4,
) -> dict[str, str | None]:
    """Make a small JPEG of each image, once however often it is named, and give its address in a page by ``folder``.

    Args:
        paths: The image files; one that cannot be read has None for an address.
        folder: Where the copies go, under names that depend on the path alone, so that a page made again finds them;
            None keeps them in the addresses themselves.
        size: How large.
        ranges: The range of the values of images of 16 bit or of floats, see :class:`~reid_lit.records.Shot`.
        threads: Images made side by side; decoders let go of the interpreter.
    """
    files = [Path(path) for path in dict.fromkeys(paths)]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def address(file: Path) -> str | None:
        return _address(file, folder, size, ranges.get(str(file)))

    with ThreadPoolExecutor(threads) as pool, progress("thumbnails") as advance:
        made: dict[str, str | None] = {}
        for file, made_at in zip(files, pool.map(address, files), strict=True):
            made[str(file)] = made_at
            advance(len(made), len(files))
    missing = [file for file, address in made.items() if address is None]
    if missing:
        _log.warning("%d of %d images cannot be read, such as %s", len(missing), len(made), missing[0])
    return made


def _address(
    file: Path, folder: Path | None, size: ThumbnailSize, value_range: tuple[float, float] | None
) -> str | None:
    """Where the small copy of ``file`` is; None when there is none to make."""
    try:
        if folder is None:
            return data_uri(small_jpeg(file, size, value_range), "image/jpeg")
        key = f"{file} {size.width}x{size.height} {size.quality} {value_range or ''}".rstrip().encode()
        copy = folder / f"{hashlib.blake2b(key, digest_size=10).hexdigest()}.jpg"
        if not copy.is_file() or copy.stat().st_mtime_ns < state(file)[1]:
            copy.write_bytes(small_jpeg(file, size, value_range))
    except (OSError, InputError):
        return None
    return f"{folder.name}/{copy.name}"


def small_jpeg(file: Path, size: ThumbnailSize, value_range: tuple[float, float] | None = None) -> bytes:
    """A small copy of an image.

    Raises:
        ValueError: it cannot be read.
    """
    from reid_lit.files.pixels import pixels  # OpenCV: a page whose copies are there waits for none of it

    whole = Image.fromarray(pixels(file, value_range))
    small = ImageOps.contain(whole, (size.width, size.height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=size.quality, optimize=True)
    return buffer.getvalue()
