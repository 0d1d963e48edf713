"""The scene behind the people of one camera: ground in perspective, a wall with detail, trees."""

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic.camera import Setting
from reid_lit.synthetic.person import Colour
from reid_lit.synthetic.stamp import Canvas

ROWS, COLUMNS = 480, 720
"""Size of a scene, in pixels."""

Image = NDArray[np.uint8]


def draw_scene(setting: Setting, rng: np.random.Generator) -> Canvas:
    """Draw the scene of a camera as a canvas."""
    image = np.empty((ROWS, COLUMNS, 3), np.uint8)
    horizon = round(setting.horizon * ROWS)
    _GROUNDS[setting.ground](image[horizon:], setting.ground_colour, rng)
    _WALLS[setting.wall](image[:horizon], setting, rng)
    image[horizon - 3 : horizon + 2] = (image[horizon - 3 : horizon + 2] * 0.6).astype(np.uint8)
    for _ in range(setting.greenery):
        _tree(image, horizon, rng)
    image = cv2.GaussianBlur(image, (0, 0), 0.8)
    canvas = np.ones((ROWS, COLUMNS, 4), np.float32)
    canvas[:, :, :3] = image.astype(np.float32) / 255 * _patches(rng)
    return canvas


def _rgb(colour: Colour, factor: float = 1.0) -> tuple[int, int, int]:
    red, green, blue = (min(max(round(c * factor * 255), 0), 255) for c in colour)
    return red, green, blue


def _patches(rng: np.random.Generator) -> NDArray[np.float32]:
    """Soft light and shade, and grain."""
    coarse = rng.uniform(0.82, 1.12, (6, 9)).astype(np.float32)
    soft = cv2.resize(coarse, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC)
    grain = rng.standard_normal((ROWS, COLUMNS)).astype(np.float32) * 0.025
    return np.asarray((soft + grain)[:, :, None], np.float32)


def _ground(image: Image, colour: Colour) -> None:
    """Fill the ground, brighter towards the camera."""
    rise = np.linspace(0.8, 1.08, image.shape[0], dtype=np.float32)[:, None, None]
    image[:] = np.clip(np.asarray(colour, np.float32) * 255 * rise, 0, 255).astype(np.uint8)


def _perspective_rows(rows: int, count: int) -> list[int]:
    """Heights of lines across the ground, equally spaced on it."""
    return [round(rows * 0.16 / (0.16 + k / count)) for k in range(1, count)][::-1]


def _tiles(image: Image, colour: Colour, rng: np.random.Generator) -> None:
    _ground(image, colour)
    rows = image.shape[0]
    centre = int(rng.integers(COLUMNS // 4, 3 * COLUMNS // 4))
    for y in _perspective_rows(rows, 14):
        cv2.line(image, (0, y), (COLUMNS, y), _rgb(colour, 0.78), 1 + 3 * y // (2 * rows), cv2.LINE_AA)
    for k in range(-16, 17):
        start, end = (centre + k * 34, 0), (centre + k * 190, rows)
        cv2.line(image, start, end, _rgb(colour, 0.78), 1, cv2.LINE_AA)


def _cobbles(image: Image, colour: Colour, rng: np.random.Generator) -> None:
    _ground(image, colour)
    rows = image.shape[0]
    for y in _perspective_rows(rows, 30):
        size = 2 + 16 * y // rows
        for x in range(int(rng.integers(-size, 1)), COLUMNS, max(size * 2, 5)):
            tone = _rgb(colour, float(rng.uniform(0.72, 1.12)))
            cv2.ellipse(image, (x + size, y), (size - 1, max(size // 2, 1)), 0, 0, 360, tone, -1, cv2.LINE_AA)


def _asphalt(image: Image, colour: Colour, rng: np.random.Generator) -> None:
    _ground(image, colour)
    rows = image.shape[0]
    edge = int(rng.integers(COLUMNS // 3, COLUMNS // 2))
    lane = np.array([[edge, 0], [edge + 8, 0], [edge - 240, rows], [edge - 290, rows]], np.int32)
    cv2.fillPoly(image, [lane], (225, 222, 205), cv2.LINE_AA)
    for _ in range(14):
        x, y = int(rng.integers(COLUMNS)), int(rng.integers(rows))
        size = int(rng.integers(8, 60)), int(rng.integers(2, 9))
        cv2.ellipse(image, (x, y), size, 0, 0, 360, _rgb(colour, float(rng.uniform(0.8, 1.1))), -1, cv2.LINE_AA)


def _grass(image: Image, colour: Colour, rng: np.random.Generator) -> None:
    _ground(image, colour)
    rows = image.shape[0]
    for _ in range(900):
        x, y = int(rng.integers(COLUMNS)), int(rng.integers(rows))
        tone = _rgb(colour, float(rng.uniform(0.7, 1.25)))
        cv2.line(image, (x, y), (x + int(rng.integers(-3, 4)), y - 2 - 6 * y // rows), tone, 1, cv2.LINE_AA)
    path = np.array([[300, 0], [380, 0], [640, rows], [90, rows]], np.int32)
    cv2.fillPoly(image, [path], (178, 168, 150), cv2.LINE_AA)


def _boards(image: Image, colour: Colour, rng: np.random.Generator) -> None:
    _ground(image, colour)
    rows = image.shape[0]
    for k in range(-20, 21):
        tone = _rgb(colour, float(rng.uniform(0.85, 1.1)))
        left, right = COLUMNS // 2 + k * 26, COLUMNS // 2 + (k + 1) * 26
        board = [[left, 0], [right, 0], [COLUMNS // 2 + (k + 1) * 95, rows], [COLUMNS // 2 + k * 95, rows]]
        cv2.fillPoly(image, [np.array(board, np.int32)], tone, cv2.LINE_AA)
    for _ in range(4):  # lamps mirrored in the polish
        x = int(rng.integers(COLUMNS))
        cv2.ellipse(image, (x, rows // 3), (16, rows // 3), 0, 0, 360, _rgb(colour, 1.3), -1, cv2.LINE_AA)


def _sky(image: Image) -> None:
    fade = np.linspace(0, 1, image.shape[0], dtype=np.float32)[:, None, None]
    image[:] = (np.array([150, 190, 230]) * (1 - fade) + np.array([222, 228, 232]) * fade).astype(np.uint8)


def _box(image: Image, x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> None:
    cv2.rectangle(image, (x, y), (x + width, y + height), colour, -1)


def _shops(image: Image, setting: Setting, rng: np.random.Generator) -> None:
    rows, x = image.shape[0], -20
    image[:] = _rgb(setting.wall_colour)
    while x < COLUMNS:
        width, tone = int(rng.integers(110, 190)), float(rng.uniform(0.75, 1.15))
        _box(image, x, 0, width, rows, _rgb(setting.wall_colour, tone))
        for k in range(3):
            _box(image, x + 14 + k * (width // 3), 8, width // 3 - 26, rows // 4, _rgb((0.35, 0.42, 0.5), tone))
        _box(image, x + 10, rows // 2, width - 20, rows // 2, (60, 66, 74))
        for _ in range(5):
            goods = _rgb((rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.8)))
            _box(image, x + int(rng.integers(14, width - 34)), rows * 2 // 3, 18, rows // 4, goods)
        stripe = max(width // 8, 1)
        for k in range(8):
            colour = _rgb(setting.accent) if k % 2 else (236, 232, 224)
            _box(image, x + k * stripe, rows * 2 // 5, stripe, rows // 8, colour)
        x += width


def _bricks(image: Image, setting: Setting, rng: np.random.Generator) -> None:
    image[:] = _rgb(setting.wall_colour, 0.8)
    for k, y in enumerate(range(0, image.shape[0], 9)):
        for x in range(-(k % 2) * 11, COLUMNS, 22):
            _box(image, x, y, 19, 6, _rgb(setting.wall_colour, float(rng.uniform(0.88, 1.15))))
    for x in range(60, COLUMNS, 170):
        _box(image, x, image.shape[0] // 6, 76, image.shape[0] // 2, _rgb(setting.accent))
        _box(image, x + 6, image.shape[0] // 6 + 6, 64, image.shape[0] // 2 - 12, (128, 150, 168))


def _glass(image: Image, setting: Setting, rng: np.random.Generator) -> None:
    _sky(image)
    for x in range(0, COLUMNS, 60):
        for y in range(0, image.shape[0], 56):
            tone = float(rng.uniform(0.7, 1.2))
            _box(image, x, y, 57, 53, _rgb(setting.wall_colour, tone))
        cv2.line(image, (x, 0), (x, image.shape[0]), _rgb(setting.accent), 3)


def _arches(image: Image, setting: Setting, rng: np.random.Generator) -> None:
    rows = image.shape[0]
    image[:] = _rgb(setting.wall_colour)
    for x in range(int(rng.integers(0, 60)), COLUMNS, 130):
        dark = _rgb(setting.accent, float(rng.uniform(0.7, 1.0)))
        cv2.ellipse(image, (x, rows // 2), (42, rows // 3), 0, 180, 360, dark, -1, cv2.LINE_AA)
        _box(image, x - 42, rows // 2, 84, rows // 2, dark)
        _box(image, x + 56, 0, 12, rows, _rgb(setting.wall_colour, 1.12))


def _hedge(image: Image, setting: Setting, rng: np.random.Generator) -> None:
    _sky(image)
    rows = image.shape[0]
    _box(image, 0, rows // 2, COLUMNS, rows, _rgb(setting.wall_colour, 0.7))
    for _ in range(900):
        x, y = int(rng.integers(COLUMNS)), int(rng.integers(rows // 3, rows))
        tone = _rgb(setting.wall_colour, float(rng.uniform(0.55, 1.25)))
        cv2.circle(image, (x, y), int(rng.integers(4, 12)), tone, -1, cv2.LINE_AA)


def _lockers(image: Image, setting: Setting, rng: np.random.Generator) -> None:
    rows = image.shape[0]
    image[:] = _rgb(setting.wall_colour)
    for x in range(0, COLUMNS, 44):
        tone = float(rng.uniform(0.88, 1.08))
        _box(image, x, rows // 4, 40, rows, _rgb(setting.accent, tone))
        _box(image, x + 30, rows * 2 // 3, 5, 14, (70, 70, 70))
    for x in range(30, COLUMNS, 160):
        _box(image, x, 6, 90, 12, (250, 250, 240))


def _tree(image: Image, horizon: int, rng: np.random.Generator) -> None:
    x, foot = int(rng.integers(COLUMNS)), horizon + int(rng.integers(0, 50))
    trunk = int(rng.integers(4, 10))
    _box(image, x - trunk // 2, horizon // 4, trunk, foot - horizon // 4, (88, 66, 48))
    for _ in range(60):
        at = x + int(rng.normal(0, 34)), horizon // 3 + int(rng.normal(0, 24))
        tone = float(rng.uniform(0.6, 1.2))
        cv2.circle(image, at, int(rng.integers(6, 17)), _rgb((0.28, 0.45, 0.2), tone), -1, cv2.LINE_AA)


_GROUNDS = {"tiles": _tiles, "cobbles": _cobbles, "asphalt": _asphalt, "grass": _grass, "boards": _boards}
_WALLS = {"shops": _shops, "bricks": _bricks, "glass": _glass, "arches": _arches, "hedge": _hedge, "lockers": _lockers}
