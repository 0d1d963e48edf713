"""Things in front of people, and shadows, as sprites with alpha."""

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic.stamp import Canvas

SIZE = 96
"""Side of an occluder's sprite; its foot is the middle of the lower edge."""


def occluder(kind: str, rng: np.random.Generator) -> Canvas:
    """Draw one of ``KINDS`` as a sprite ``(96 96 4)``."""
    colour = np.zeros((SIZE, SIZE, 3), np.uint8)
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    _DRAWERS[kind](colour, alpha, rng)
    sprite: Canvas = np.dstack([colour, alpha]).astype(np.float32) / np.float32(255)
    sprite[:, :, :3] *= sprite[:, :, 3:]
    return sprite


def shadow() -> Canvas:
    """Draw a soft dark disc as a sprite ``(48 48 4)``."""
    axis = np.linspace(-1, 1, 48, dtype=np.float32)
    distance = np.hypot(axis[:, None], axis[None])
    sprite = np.zeros((48, 48, 4), np.float32)
    sprite[:, :, 3] = np.clip(1 - distance, 0, 1) ** 0.8 * 0.55
    return sprite


Layer = NDArray[np.uint8]


def _pole(colour: Layer, alpha: Layer, rng: np.random.Generator) -> None:
    half = int(rng.integers(4, 8))
    tone = int(rng.integers(60, 190))
    for x in range(48 - half, 48 + half):
        colour[:, x] = tone * (0.6 + 0.5 * np.sin((x - 48 + half) / (2 * half) * np.pi))
    alpha[:, 48 - half : 48 + half] = 255


def _bike(colour: Layer, alpha: Layer, rng: np.random.Generator) -> None:
    frame = tuple(int(c) for c in rng.integers(40, 220, 3))
    left, right, seat, bar = (24, 74), (72, 74), (40, 42), (66, 40)
    for layer, wheel, tube in ((colour, (35, 35, 38), frame), (alpha, 255, 255)):
        for centre in (left, right):
            cv2.circle(layer, centre, 19, wheel, 3, cv2.LINE_AA)
        for a, b in ((left, seat), (seat, bar), (left, (48, 74)), ((48, 74), bar), (bar, right), ((48, 74), seat)):
            cv2.line(layer, a, b, tube, 3, cv2.LINE_AA)
        cv2.line(layer, (34, 39), (46, 39), wheel, 4, cv2.LINE_AA)
        cv2.line(layer, (60, 34), (68, 40), wheel, 3, cv2.LINE_AA)


def _plant(colour: Layer, alpha: Layer, rng: np.random.Generator) -> None:
    pot = np.array([[34, 70], [62, 70], [58, 95], [38, 95]], np.int32)
    cv2.fillPoly(colour, [pot], (150, 92, 66))
    cv2.fillPoly(alpha, [pot], 255)
    for _ in range(60):
        x, y = int(rng.normal(48, 13)), int(rng.normal(44, 13))
        size, turn = (int(rng.integers(3, 6)), int(rng.integers(6, 12))), float(rng.uniform(0, 180))
        green = int(rng.integers(80, 160))
        cv2.ellipse(colour, (x, y), size, turn, 0, 360, (green // 2, green, green // 3), -1)
        cv2.ellipse(alpha, (x, y), size, turn, 0, 360, 255, -1)


def _bin(colour: Layer, alpha: Layer, rng: np.random.Generator) -> None:
    tone = rng.integers(40, 130, 3)
    for x in range(28, 68):
        colour[40:, x] = tone * (0.6 + 0.5 * np.sin((x - 28) / 40 * np.pi))
    colour[40:48] = colour[40:48] // 2
    alpha[40:95, 28:68] = 255


def _bench(colour: Layer, alpha: Layer, rng: np.random.Generator) -> None:
    wood = tuple(int(c) for c in rng.integers(70, 150, 1).repeat(3) * np.array([1.1, 0.85, 0.6]))
    for layer, seat, leg in ((colour, wood, (50, 50, 54)), (alpha, 255, 255)):
        for y in (46, 54, 68):
            cv2.rectangle(layer, (2, y), (93, y + 5), seat, -1)
        for x in (10, 82):
            cv2.rectangle(layer, (x, 46), (x + 4, 95), leg, -1)


def _sign(colour: Layer, alpha: Layer, rng: np.random.Generator) -> None:
    board = tuple(int(c) for c in rng.integers(60, 235, 3))
    for layer, face, ink in ((colour, board, (245, 245, 240)), (alpha, 255, 255)):
        cv2.fillPoly(layer, [np.array([[30, 40], [66, 40], [72, 95], [24, 95]], np.int32)], face, cv2.LINE_AA)
        for y in (52, 62, 72):
            cv2.line(layer, (36, y), (60, y), ink, 3)


_DRAWERS = {"pole": _pole, "bike": _bike, "plant": _plant, "bin": _bin, "bench": _bench, "sign": _sign}

KINDS = tuple(_DRAWERS)
"""The kinds of occluders."""
