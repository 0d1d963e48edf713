"""The sizes and formats of image files, by their headers."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from PIL.ExifTags import Base

from reid_lit.data.spread import Spread, spread
from reid_lit.files.access import is_file, opened, state
from reid_lit.files.box import unboxed
from reid_lit.files.image import open_image


class Header(NamedTuple):
    """Size and format by the first bytes of an image; the size is that of its box, or before a rotation by EXIF."""

    height: int
    width: int
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of a list in numbers.

    Attributes:
        megabytes: Size of all files, in 10⁶ bytes.
        looked_at: How many files were opened.
        unreadable: How many of these are no image, by their headers.
        formats: The number of files of each format.
        height: Spread of their heights in pixels; None when none was readable.
        width: Spread of their widths.
        sizes: Height and width of each readable file.
    """

    megabytes: float
    looked_at: int
    unreadable: int
    formats: Mapping[str, int]
    height: Spread | None
    width: Spread | None
    sizes: tuple[tuple[int, int], ...]


def files_of(paths: Sequence[Path], *, most: int) -> Files:
    """Count and open the files of a list; of many, open only ``most``, evenly spread over the list.

    Args:
        paths: The files.
        most: The highest number of files to open.
    """
    some = [paths[place * len(paths) // most] for place in range(most)] if len(paths) > most else list(paths)
    headers = [header for header in map(header_of, some) if header is not None]
    return Files(
        megabytes=sum(state(path)[0] for path in paths if is_file(path)) / 1e6,
        looked_at=len(some),
        unreadable=len(some) - len(headers),
        formats=dict(Counter(header.format for header in headers).most_common()),
        height=spread(header.height for header in headers),
        width=spread(header.width for header in headers),
        sizes=tuple((header.height, header.width) for header in headers),
    )


@functools.lru_cache(maxsize=100_000)  # each image is in two lists: its own and that of all
def header_of(path: Path) -> Header | None:
    """Size and format of an image, without reading its pixels; None when it is none."""
    _, box = unboxed(path)
    try:
        with opened(path) as file, open_image(file) as image:
            width, height = (image.width, image.height) if box is None else (box.width, box.height)
            return Header(height, width, image.format or "unknown")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an image as it is shown, turned as EXIF says; None when it is none."""
    try:
        with opened(path) as file, open_image(file) as image:
            turned = image.getexif().get(Base.Orientation, 1) >= 5
            return (image.height, image.width) if turned else (image.width, image.height)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
