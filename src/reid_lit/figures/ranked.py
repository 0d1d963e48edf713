"""The nearest gallery images of some queries, framed as right or wrong."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from reid_lit.errors import InputError
from reid_lit.evaluation.ranking import QueryScores
from reid_lit.evaluation.top import Top
from reid_lit.figures.tiles import INK, PAPER, TILE, fitting, font, tile
from reid_lit.kinds import said
from reid_lit.records import JUNK, Shot

MATCH, WRONG, REMOVED, QUERY = (0, 132, 80), (204, 50, 20), (140, 140, 140), (30, 60, 140)
"""Colours of the frames; each but the query's goes with a sign."""

MARGIN, SPACE, TITLE = 16, 10, 44
"""Pixels around the picture, between tiles, and of the title."""


def ranked_lists(
    query: Sequence[Shot],
    gallery: Sequence[Shot],
    top: Top,
    *,
    title: str = "",
    scores: QueryScores | None = None,
) -> Image.Image:
    """A row for each query: the query, then its nearest gallery images with distance, camera (from 1) and person.

    A green frame with ✓ is a true match, a red one with ✗ is another person, a grey one with – is an image that the
    protocol removes (only when ``top`` kept those). A file that cannot be read is a grey field with its name.

    Args:
        query: All query shots.
        gallery: All gallery shots.
        top: The lists to draw, see :func:`reid_lit.evaluation.top.top`.
        title: Data set and protocol, for instance.
        scores: The scores of all queries: adds the first true match, with its rank, at the end of each row.

    Raises:
        ValueError: there is no query to draw.
    """
    if not len(top.rows):
        raise InputError("no query to draw; give top() one row or more")
    rows = [_row(query, gallery, top, place, scores) for place in range(len(top.rows))]
    columns = max(len(row) for row in rows)
    width = 2 * MARGIN + columns * (TILE[0] + SPACE) + 2 * SPACE
    canvas = Image.new("RGB", (width, 2 * MARGIN + TITLE + len(rows) * (TILE[1] + SPACE)), PAPER)
    for line, row in enumerate(rows):
        for column, image in enumerate(row):
            if image is not None:
                canvas.paste(image, (_left(column, columns, scores), MARGIN + TITLE + line * (TILE[1] + SPACE)))
    _head(canvas, title, removed=bool(top.removed.any()))
    return canvas


def _left(column: int, columns: int, scores: QueryScores | None) -> int:
    """Where a column begins: the query stands off from the list, and so does the first true match."""
    apart = (column > 0) + (scores is not None and column == columns - 1)
    return MARGIN + column * (TILE[0] + SPACE) + SPACE * apart


def _head(canvas: Image.Image, title: str, *, removed: bool) -> None:
    """Title on the left, what the frames mean on the right."""
    draw = ImageDraw.Draw(canvas)
    middle, right = MARGIN + TITLE // 2 - 6, canvas.width - MARGIN
    legend = [("–", "removed", REMOVED)] if removed else []
    for sign, meaning, colour in (*legend, ("✗", said("other person"), WRONG), ("✓", "match", MATCH)):
        text = f"{sign} {meaning}"
        draw.text((right, middle), text, fill=colour, font=font(16, bold=True), anchor="rm")
        right -= int(font(16, bold=True).getlength(text)) + 18
    draw.text((MARGIN, middle), title, fill=INK, font=fitting(title, right - MARGIN, 20), anchor="lm")


def _row(
    query: Sequence[Shot], gallery: Sequence[Shot], top: Top, place: int, scores: QueryScores | None
) -> list[Image.Image | None]:
    """The tiles of one query; None where there is nothing."""
    number = int(top.rows[place])
    shot = query[number]
    row: list[Image.Image | None] = [tile(shot, (f"query {number}", who(shot)), QUERY)]
    rank = 0
    for column in range(top.gallery.shape[1]):
        index, removed = int(top.gallery[place, column]), bool(top.removed[place, column])
        rank += not removed
        row.append(None if index < 0 else _entry(gallery[index], top, place, column, rank))
    if scores is not None:
        row.append(_first(gallery, scores, number))
    return row


def _entry(shot: Shot, top: Top, place: int, column: int, rank: int) -> Image.Image:
    """A gallery image at its rank, with its distance."""
    distance = f"{float(top.distance[place, column]):.3f}"
    if top.removed[place, column]:
        return tile(shot, (distance, who(shot)), REMOVED, "–")
    colour, mark = (MATCH, "✓") if top.match[place, column] else (WRONG, "✗")
    return tile(shot, (f"{rank}:  {distance}", who(shot)), colour, mark)


def _first(gallery: Sequence[Shot], scores: QueryScores, number: int) -> Image.Image | None:
    """The first true match, however far down the list."""
    index = int(scores.first_match_index[number])
    if index < 0:
        return None
    return tile(gallery[index], (f"match at {int(scores.first_match[number])}", who(gallery[index])), MATCH, "✓")


def who(shot: Shot) -> str:
    """Camera, counted from 1 as in file names, and person."""
    return f"c{shot.camera_id + 1}, {'junk' if shot.person_id == JUNK else said(f'person {shot.person_id}')}"
