"""A box of an image as an image of its own: its path is that of the file, and behind it the box.

``frame.jpg#xywh=8,12,48,96`` is the part 48 wide and 96 high whose left upper corner is 8 pixels from the left and 12
from the top, as the W3C's media fragments write it. So paths stay plain: images are compared, hashed, stored and sent
to workers by them, and two boxes of one file are two images.
"""

import re
from pathlib import Path
from typing import NamedTuple

_MARK = "#xywh="
_BOX = re.compile(r"(?s)(.*)#xywh=(\d+),(\d+),(\d+),(\d+)")


class Box(NamedTuple):
    """A part of an image in pixels of the upright image, counted from its left upper corner."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return ",".join(map(str, self))


def boxed(path: Path, box: Box | None) -> Path:
    """The path of a box of an image; that of the whole image without a box.

    >>> boxed(Path("a/frame.jpg"), Box(8, 12, 48, 96)).as_posix()
    'a/frame.jpg#xywh=8,12,48,96'
    """
    return path if box is None else path.with_name(f"{path.name}{_MARK}{box}")


def unboxed(path: Path) -> tuple[Path, Box | None]:
    """The file of an image, and the box of it that is meant; None where it is the whole image.

    >>> unboxed(Path("frame.jpg#xywh=8,12,48,96"))[1]
    Box(left=8, top=12, width=48, height=96)
    """
    name = str(path)
    found = _BOX.fullmatch(name) if _MARK in name else None
    return (path, None) if found is None else (Path(found[1]), Box(*map(int, found.groups()[1:])))
