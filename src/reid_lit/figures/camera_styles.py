"""Images as their cameras took them, and in the styles of the other cameras."""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from reid_lit.figures.contact_sheet import HEAD, PALE, SIDE
from reid_lit.figures.ranked import MARGIN, SPACE, TITLE
from reid_lit.figures.tiles import FRAME, HEIGHT, INK, PAPER, WIDTH, fitting, font, picture
from reid_lit.records import Shot

_WIDE, _TALL = WIDTH + 2 * FRAME, HEIGHT + 2 * FRAME


def styles_sheet(
    columns: Sequence[tuple[Shot, Mapping[int, Shot]]], *, cameras: Sequence[int], title: str
) -> Image.Image:
    """A column an image: first as it was taken, then a row for each camera, in its style.

    Args:
        columns: The images, each with its translations by camera; one that is not made yet is a dash.
        cameras: The rows below the first, counted from 0.
        title: Above all.
    """
    width = 2 * MARGIN + SIDE + len(columns) * (_WIDE + SPACE)
    canvas = Image.new("RGB", (width, 2 * MARGIN + TITLE + HEAD + (1 + len(cameras)) * (_TALL + SPACE)), PAPER)
    draw = ImageDraw.Draw(canvas)
    middle = (MARGIN, MARGIN + TITLE // 2 - 6)
    draw.text(middle, title, fill=INK, font=fitting(title, width - 2 * MARGIN, 20), anchor="lm")
    top = MARGIN + TITLE + HEAD
    for row, name in enumerate(["real", *(f"to c{camera + 1}" for camera in cameras)]):
        place = (MARGIN, top + row * (_TALL + SPACE) + _TALL // 2)
        draw.text(place, name, fill=INK, font=font(16, bold=True), anchor="lm")
    for column, (real, made) in enumerate(columns):
        left = MARGIN + SIDE + column * (_WIDE + SPACE)
        head = (left + _WIDE // 2, MARGIN + TITLE + HEAD // 2)
        draw.text(head, f"c{real.camera_id + 1}", fill=INK, font=font(16, bold=True), anchor="mm")
        for row, shot in enumerate([real, *map(made.get, cameras)]):
            height = top + row * (_TALL + SPACE)
            if shot is not None:
                canvas.paste(picture(shot.path, shot.value_range), (left + FRAME, height + FRAME))
            else:
                draw.text((left + _WIDE // 2, height + _TALL // 2), "–", fill=PALE, font=font(20), anchor="mm")
    return canvas
