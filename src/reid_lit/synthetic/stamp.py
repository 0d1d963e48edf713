"""Draw one body part on a canvas: a shape with a wrap around it, with light, between two points.

A canvas is ``(h w 4)`` float32: red, green, blue times alpha, and alpha, in [0, 1]. A scene has alpha 1 everywhere; a
figure to be pasted later is drawn on zeros.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic.cloth import Wrap

Canvas = NDArray[np.float32]


class Shape(NamedTuple):
    """The outline of a part and the normals of its surface.

    Attributes:
        alpha: Coverage, ``(rows columns)``.
        across: The surface normal's component across the part, in [-1, 1].
        towards: Its component towards the camera, in [0, 1].
        angle: The angle around the part at each column for yaw 0, as a fraction of a full turn.
    """

    alpha: NDArray[np.float32]
    across: NDArray[np.float32]
    towards: NDArray[np.float32]
    angle: NDArray[np.float64]


def _shape(rows: int, columns: int, *profile: tuple[float, float]) -> Shape:
    """Make a shape out of pairs of (height from the top, half-width), both in [0, 1]."""
    height = (np.arange(rows) + 0.5) / rows
    column = (np.arange(columns) + 0.5) / columns * 2 - 1
    width = np.interp(height, [h for h, _ in profile], [w for _, w in profile])[:, None]
    edge = columns / 2 - 1
    alpha = np.clip((width - np.abs(column[None])) * edge + 0.25, 0, 1)
    alpha[[0, -1]] *= 0.35
    across = np.clip(column[None] / np.maximum(width, 0.05), -1, 1)
    return Shape(
        alpha.astype(np.float32),
        across.astype(np.float32),
        np.sqrt(1 - across**2).astype(np.float32),
        np.arcsin(np.clip(column, -1, 1)) / (2 * math.pi),
    )


def _round(rows: int, columns: int, power: float = 2.0) -> Shape:
    """Make an ellipse (power 2) or a rounded box (power 4)."""
    height = np.linspace(-1, 1, 41)
    width = np.maximum(1 - np.abs(height) ** power, 0) ** (1 / power)
    return _shape(rows, columns, *zip((height + 1) / 2, width, strict=True))


SHAPES = {
    "upper arm": _shape(32, 20, (0, 0.3), (0.05, 0.66), (0.14, 0.92), (0.24, 1.0), (0.6, 0.86), (0.94, 0.78), (1, 0.5)),
    "forearm": _shape(32, 18, (0, 0.6), (0.08, 0.95), (0.3, 1.0), (0.95, 0.68), (1, 0.5)),
    "hand": _round(16, 14, 2.6),
    "thigh": _shape(36, 24, (0, 0.75), (0.1, 0.97), (0.25, 1.0), (0.93, 0.68), (1, 0.5)),
    "shin": _shape(36, 20, (0, 0.6), (0.07, 0.92), (0.3, 1.0), (0.95, 0.6), (1, 0.45)),
    "leg of trousers": _shape(36, 20, (0, 0.65), (0.06, 0.9), (0.3, 0.97), (0.97, 0.86), (1, 0.8)),
    "shoe": _shape(18, 12, (0, 0.55), (0.12, 0.9), (0.5, 0.92), (0.8, 1.0), (0.93, 0.8), (1, 0.4)),
    "torso": _shape(
        64, 48, (0, 0.3), (0.02, 0.5), (0.09, 0.92), (0.16, 1.0), (0.35, 0.95), (0.68, 0.82), (0.9, 0.86), (1, 0.84)
    ),
    "hips": _shape(24, 36, (0, 0.86), (0.4, 1.0), (0.75, 0.98), (1, 0.5)),
    "skirt": _shape(48, 40, (0, 0.56), (0.2, 0.72), (0.95, 0.98), (1, 0.95)),
    "tails": _shape(40, 40, (0, 0.8), (0.3, 0.9), (0.96, 1.0), (1, 0.97)),
    "neck": _shape(16, 16, (0, 0.85), (0.5, 0.8), (1, 1.0)),
    "head": _shape(
        36,
        28,
        (0, 0.3),
        (0.05, 0.58),
        (0.15, 0.85),
        (0.3, 0.98),
        (0.5, 1.0),
        (0.7, 0.86),
        (0.86, 0.6),
        (0.95, 0.42),
        (1, 0.2),
    ),
    "ball": _round(24, 24),
    "box": _round(32, 28, 4.5),
    "locks": _shape(32, 28, (0, 0.6), (0.15, 0.9), (0.5, 1.0), (0.85, 0.95), (1, 0.6)),
    "dome": _shape(24, 28, (0, 0.35), (0.08, 0.6), (0.3, 0.88), (0.6, 1.0), (1, 1.0)),
    "strap": _shape(24, 6, (0, 1.0), (1, 1.0)),
}


class Light(NamedTuple):
    """Light on round things.

    Attributes:
        right: From the right (positive) or left of the image, in [-1, 1].
        up: From above, in [-1, 1].
        front: From the camera, in [-1, 1].
        ambient: From everywhere, in [0, 1].
    """

    right: float = 0.45
    up: float = 0.35
    front: float = 0.6
    ambient: float = 0.42


class Part(NamedTuple):
    """A shape with a wrap, from ``top`` to ``bottom`` (screen x and y up, in body heights).

    Attributes:
        order: Parts with smaller orders are drawn first, and so are behind.
        shape: Name of the outline.
        wrap: Colour around it.
        top: The place of the first row.
        bottom: The place of the last row.
        half_width: Half the width, in body heights.
        yaw: Turn of the wrap, in radians.
    """

    order: float
    shape: str
    wrap: Wrap
    top: tuple[float, float]
    bottom: tuple[float, float]
    half_width: float
    yaw: float = 0.0


def draw_part(canvas: Canvas, part: Part, foot: tuple[float, float], scale: float, light: Light) -> None:
    """Draw a part over the canvas; ``foot`` is the origin in pixels, ``scale`` the body height in pixels."""
    x0, y0 = foot[0] + part.top[0] * scale, foot[1] - part.top[1] * scale
    along = (part.bottom[0] - part.top[0]) * scale, (part.top[1] - part.bottom[1]) * scale
    length = math.hypot(*along) or 1e-6
    across = along[1] / length, -along[0] / length  # to the right of the image, for a part that hangs down
    half = part.half_width * scale
    reach_x, reach_y = abs(across[0] * half), abs(across[1] * half)
    left = max(math.floor(min(x0, x0 + along[0]) - reach_x) - 1, 0)
    top = max(math.floor(min(y0, y0 + along[1]) - reach_y) - 1, 0)
    right = min(math.ceil(max(x0, x0 + along[0]) + reach_x) + 2, canvas.shape[1])
    bottom = min(math.ceil(max(y0, y0 + along[1]) + reach_y) + 2, canvas.shape[0])
    if right <= left or bottom <= top:
        return
    sprite = _sprite(part, across, light)
    rows, columns = sprite.shape[:2]
    a, b = across[0] * 2 * half / columns, along[0] / rows
    c, d = across[1] * 2 * half / columns, along[1] / rows
    move = np.array(
        [
            [a, b, x0 - left - across[0] * half + (a + b) / 2 - 0.5],
            [c, d, y0 - top - across[1] * half + (c + d) / 2 - 0.5],
        ]
    )
    paste(canvas[top:bottom, left:right], sprite, move)


def paste(region: Canvas, sprite: Canvas, move: NDArray[np.float64]) -> None:
    """Draw a sprite with alpha over a region of a canvas, moved by an affine matrix ``(2 3)``."""
    patch = cv2.warpAffine(sprite, move, region.shape[1::-1], flags=cv2.INTER_LINEAR)
    region *= 1 - patch[:, :, 3:]
    region += patch


def _sprite(part: Part, across: tuple[float, float], light: Light) -> Canvas:
    """Draw the part upright, with light and alpha."""
    shape = SHAPES[part.shape]
    rows, columns = shape.alpha.shape
    wrap_rows, wrap_columns = part.wrap.shape[:2]
    turn = ((shape.angle - part.yaw / (2 * math.pi) + 0.5) % 1.0 * wrap_columns).astype(np.intp)
    colour = part.wrap[_rows(wrap_rows, rows)].take(turn, axis=1)
    side = light.right * across[0] - light.up * across[1]
    shade = shape.across * np.float32(side)
    shade += shape.towards * np.float32(light.front)
    np.maximum(shade, 0, out=shade)
    shade += np.float32(light.ambient)
    shade *= shape.alpha
    sprite = np.empty((rows, columns, 4), np.float32)
    np.multiply(colour, shade[:, :, None], out=sprite[:, :, :3])
    np.minimum(sprite[:, :, :3], shape.alpha[:, :, None], out=sprite[:, :, :3])
    sprite[:, :, 3] = shape.alpha
    return sprite


@lru_cache(maxsize=64)
def _rows(have: int, want: int) -> NDArray[np.intp]:
    """The row of a wrap for each row of a sprite."""
    return (np.arange(want) * have // want).astype(np.intp)
