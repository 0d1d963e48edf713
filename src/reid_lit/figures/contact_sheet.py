"""Some persons of a data set, a row each, under its cameras."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from reid_lit.errors import InputError
from reid_lit.figures.ranked import MARGIN, SPACE, TITLE
from reid_lit.figures.tiles import INK, PAPER, TEXT, TILE, fitting, font, tile
from reid_lit.kinds import said
from reid_lit.records import JUNK, Shot

HEAD, SIDE = 26, 110
"""Pixels above the columns and left of the rows, for camera and person."""

PALE = (150, 150, 150)


class PersonRow(NamedTuple):
    """A person, the list that the person belongs to, and an image for each column; None where there is none."""

    person_id: int
    name: str
    shots: list[Shot | None]


def contact_sheet(
    lists: Mapping[str, Sequence[Shot]], *, persons: int = 6, columns: int = 8, title: str = ""
) -> Image.Image:
    """A row a person, a column a camera; with a single camera, the columns are images.

    Args:
        lists: The images by list; each person is named with the first list that shows them.
        persons: Rows, at most.
        columns: Cameras, the first, or images, at most.
        title: Name of the data set, for instance.

    Raises:
        ValueError: no image shows a person.
    """
    cameras = sorted({shot.camera_id for shots in lists.values() for shot in shots if shot.person_id != JUNK})
    rows = rows_of(lists, cameras[:columns], persons=persons, columns=columns)
    heads = [f"c{camera + 1}" for camera in cameras[:columns]] if len(cameras) > 1 else []
    width = 2 * MARGIN + SIDE + max(len(row.shots) for row in rows) * (TILE[0] + SPACE) - SPACE
    height = 2 * MARGIN + TITLE + HEAD + len(rows) * (TILE[1] + SPACE) - SPACE
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    middle = (MARGIN, MARGIN + TITLE // 2 - 6)
    draw.text(middle, title, fill=INK, font=fitting(title, width - 2 * MARGIN, 20), anchor="lm")
    for column, head in enumerate(heads):
        place = (_left(column) + TILE[0] // 2, MARGIN + TITLE + HEAD // 2)
        draw.text(place, head, fill=INK, font=font(16, bold=True), anchor="mm")
    for line, row in enumerate(rows):
        _paste(canvas, row, MARGIN + TITLE + HEAD + line * (TILE[1] + SPACE))
    return canvas


def rows_of(
    lists: Mapping[str, Sequence[Shot]], cameras: Sequence[int], *, persons: int, columns: int
) -> list[PersonRow]:
    """Persons evenly over all of them in the order of their numbers, each with the first image of each camera.

    Junk is not shown. The same lists always give the same rows.

    Raises:
        ValueError: no image shows a person.
    """
    shots = [(name, shot) for name, part in lists.items() for shot in part if shot.person_id != JUNK]
    if not shots:
        raise InputError("no image shows a person: there is nothing to put on a contact sheet")
    rows = []
    for person in evenly(sorted({shot.person_id for _, shot in shots}), persons):
        named = [(name, shot) for name, shot in shots if shot.person_id == person]
        first = {shot.camera_id: shot for _, shot in reversed(named)}
        shown: list[Shot | None]
        shown = [first.get(camera) for camera in cameras] if len(cameras) > 1 else [shot for _, shot in named[:columns]]
        rows.append(PersonRow(person, named[0][0], shown))
    return rows


def evenly(values: Sequence[int], number: int) -> list[int]:
    """At most ``number`` of the values, evenly over all of them, the first among them.

    >>> evenly(range(10), 3), evenly([4, 5], 3)
    ([0, 3, 6], [4, 5])
    """
    return [values[place * len(values) // number] for place in range(number)] if len(values) > number else [*values]


def _left(column: int) -> int:
    return MARGIN + SIDE + column * (TILE[0] + SPACE)


def _paste(canvas: Image.Image, row: PersonRow, top: int) -> None:
    """Draw a row whose upper edge is at ``top``."""
    draw, person = ImageDraw.Draw(canvas), said(f"person {row.person_id}")
    draw.text((MARGIN, top + 24), person, fill=INK, font=fitting(person, SIDE - SPACE), anchor="ls")
    draw.text((MARGIN, top + 44), row.name, fill=INK, font=fitting(row.name, SIDE - SPACE), anchor="ls")
    for column, shot in enumerate(row.shots):
        if shot is None:
            draw.text((_left(column) + TILE[0] // 2, top + TILE[1] // 2), "–", fill=PALE, font=font(20), anchor="mm")
        else:
            canvas.paste(tile(shot, two_lines(shot.path.name), PAPER), (_left(column), top))


def two_lines(name: str) -> tuple[str, str]:
    """A file name on the two lines below a tile, its middle left out where it is too long.

    >>> two_lines("1.jpg"), two_lines("0001_c1s1_001051_00.jpg")
    (('1.jpg', ''), ('0001_c1s1_001051_', '00.jpg'))
    """
    letters = font(TEXT - 2)
    fits = next((end for end in range(len(name), 0, -1) if letters.getlength(name[:end]) <= TILE[0]), 1)
    first, rest = name[:fits], name[fits:]
    if letters.getlength(rest) <= TILE[0]:
        return first, rest
    start = next(start for start in range(1, len(rest) + 1) if letters.getlength(f"…{rest[start:]}") <= TILE[0])
    return first, f"…{rest[start:]}"
