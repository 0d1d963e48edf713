"""One framed image with its caption, drawn with Pillow."""

from functools import lru_cache, partial
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

from reid_lit.errors import InputError
from reid_lit.files.pixels import pixels
from reid_lit.paths import write_whole
from reid_lit.records import Shot

WIDTH, HEIGHT = 128, 256
"""Pixels of an image in its tile; twice the size of Market-1501's crops."""

FRAME, LINE, TEXT = 6, 20, 15
"""Pixels of the frame, of a line of the caption and of its letters."""

TILE = (WIDTH + 2 * FRAME, HEIGHT + 2 * FRAME + 2 * LINE + 4)
"""Width and height of a tile in pixels, caption included."""

INK, PAPER, GAP = (20, 20, 20), (255, 255, 255), (222, 222, 222)


_EFFORT = 2
"""Of PNG's compression, 0 to 9: a fourth of the time of Pillow's 6, and a file that is 15 % larger."""


def write_picture(path: Path, image: Image.Image) -> Path:
    """Write a picture as PNG, whole or not at all."""
    return write_whole(path, partial(image.save, compress_level=_EFFORT))


@lru_cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has ✓ and ✗."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def tile(shot: Shot, caption: tuple[str, str], colour: tuple[int, int, int], mark: str = "") -> Image.Image:
    """An image in a coloured frame, a mark in its corner, two lines below.

    Args:
        shot: Its image; a file that cannot be read is drawn as a grey field with its name.
        caption: The two lines.
        colour: Red, green and blue of the frame, each in [0, 255].
        mark: A sign with the meaning of the colour, for readers who do not see the colours.
    """
    canvas = Image.new("RGB", TILE, PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, TILE[0] - 1, HEIGHT + 2 * FRAME - 1), fill=colour)
    canvas.paste(picture(shot.path, shot.value_range), (FRAME, FRAME))
    if mark:
        draw.rectangle((0, 0, 27, 27), fill=colour)
        draw.text((14, 14), mark, fill=PAPER, font=font(20, bold=True), anchor="mm")
    for line, text in enumerate(caption):
        middle = HEIGHT + 2 * FRAME + LINE * line + LINE // 2 + 2
        draw.text((TILE[0] // 2, middle), text, fill=INK, font=fitting(text, TILE[0]), anchor="mm")
    return canvas


def picture(path: Path, value_range: tuple[float, float] | None = None) -> Image.Image:
    """The image that the network sees, fitted into WIDTH × HEIGHT as a whole; or a field that names the file."""
    try:
        image = ImageOps.contain(Image.fromarray(pixels(path, value_range)), (WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    except InputError:
        return _placeholder(path.name)
    canvas = Image.new("RGB", (WIDTH, HEIGHT), GAP)
    canvas.paste(image, ((WIDTH - image.width) // 2, (HEIGHT - image.height) // 2))
    return canvas


def fitting(text: str, width: int, size: int = TEXT) -> ImageFont.FreeTypeFont:
    """The largest font, up to ``size``, in which ``text`` is no wider than ``width`` pixels."""
    while size > 8 and font(size).getlength(text) > width:
        size -= 1
    return font(size)


def _placeholder(name: str) -> Image.Image:
    """A grey field that says which file cannot be read."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), GAP)
    lines = ["cannot read", *(name[start : start + 15] for start in range(0, len(name), 15))]
    ImageDraw.Draw(canvas).multiline_text(
        (WIDTH // 2, HEIGHT // 2), "\n".join(lines), fill=INK, font=font(13), anchor="mm", align="center"
    )
    return canvas
