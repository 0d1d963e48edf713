"""What the columns of a user's table of images mean, besides path, person, camera and split: boxes, roles, nothing."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.problems import LAYOUT, Problem
from reid_lit.files.box import Box

CORNERS = (
    ("x_1", "y_1", "x_2", "y_2"),
    ("x1", "y1", "x2", "y2"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"),
    ("left", "top", "right", "bottom"),
)
"""Names of the four columns of a box by its corners; Open Metric Learning's come first."""

SIZES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "width", "height"),
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
)
"""Names of the four columns of a box by its left upper corner and its size."""

SINGLE = ("bbox", "box", "bounding_box")
"""Names of a column with x, y, width and height in one cell, as COCO and wildlife-datasets write them."""

ROLES = ("is_query", "is_gallery")
"""Open Metric Learning's columns of a test."""

MEANT = ("ignore", "junk", "exclude", "sequence", "track", "mask", "segmentation", "keypoints", "rotation")
"""Columns that other programs read and this one does not: what is learnt there is something else."""

_TRUE, _FALSE = ("true", "1", "1.0", "yes", "y", "t"), ("false", "0", "0.0", "no", "n", "f", "", "nan", "none")
_NOTHING = ("", "nan", "none", "null", "na", "n/a", "<na>")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxColumns:
    """Where a table has its boxes.

    Attributes:
        names: The columns.
        places: Their places in a row.
        corners: Whether the last two numbers are the right lower corner; else width and height.
    """

    names: tuple[str, ...]
    places: tuple[int, ...]
    corners: bool

    def box(self, cells: Sequence[str]) -> Box | str | None:
        """The box of a row; None for the whole image; a text that says what is wrong with it."""
        texts = [cells[place].strip() for place in self.places]
        written = ", ".join(f"{name}={text}" for name, text in zip(self.names, texts, strict=True))
        if len(texts) == 1:
            texts = re.split(r"[\s,;]+", texts[0].strip("[]() "))
        if all(text.lower() in _NOTHING for text in texts):
            return None
        try:
            numbers = [float(text) for text in texts]
        except ValueError:
            return f"({written}): no four numbers"
        if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
            return f"({written}): no four numbers"
        left, top, third, fourth = numbers
        right, bottom = (third, fourth) if self.corners else (left + third, top + fourth)
        left, top, right, bottom = (round(number) for number in (left, top, right, bottom))
        if right <= left or bottom <= top:
            return f"({written}): holds no pixel"
        if left < 0 or top < 0:
            return f"({written}): begins outside of the image"
        return Box(left, top, right - left, bottom - top)


def box_columns(file: Path, names: Sequence[str]) -> BoxColumns | None:
    """The columns of boxes among the columns of a table, by their names in small letters.

    Raises:
        ValueError: a box has some of its columns and lacks others, or there are two kinds of boxes.
    """
    present = set(names)
    found = [
        BoxColumns(names=wanted, places=tuple(map(names.index, wanted)), corners=kind is CORNERS)
        for kind in (CORNERS, SIZES, tuple((name,) for name in SINGLE))
        for wanted in kind
        if present.issuperset(wanted)
    ]
    if len(found) > 1:
        fact = f"{file.resolve()} has boxes in {', '.join(found[0].names)} and in {', '.join(found[1].names)}"
        raise Problem(kind=LAYOUT, place=file, fact=fact, cure="remove the columns of one kind").error()
    if found:
        return found[0]
    for wanted in CORNERS[:-1]:
        have = [name for name in wanted if name in present]
        if have:
            lacking = ", ".join(name for name in wanted if name not in present)
            fact = f"the first line of {file.resolve()} has {', '.join(have)} but no {lacking}"
            cure = f"a box is {', '.join(wanted)} in pixels, from the left upper to the right lower corner; add them"
            raise Problem(kind=LAYOUT, place=file, fact=fact, cure=cure).error()
    return None


def role(cells: Mapping[str, str], split: str) -> str:
    """The list of a row with the columns of :data:`ROLES`, as :data:`~.crops.WORDS` names it.

    Args:
        cells: The row's cells of these columns.
        split: What its column ``split`` says; a training row has no role.

    Returns:
        ``train``, ``query``, ``gallery``, or what is wrong.
    """
    values = {name: cell.strip().lower() for name, cell in cells.items()}
    odd = [f"{name}={value!r}" for name, value in values.items() if value not in (*_TRUE, *_FALSE)]
    if odd:
        return f"({', '.join(odd)}): neither true nor false"
    if split.lower() == "train":
        return "train"
    roles = [name.removeprefix("is_") for name, value in values.items() if value in _TRUE]
    if len(roles) > 1:
        return "(is_query and is_gallery are true): an image is in one of both"
    if not roles and split:
        return f"(split={split}, is_query and is_gallery are false): it is in no list"
    return roles[0] if roles else "train"
