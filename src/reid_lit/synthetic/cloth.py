"""Colour around a body part: garments, heads and bags as images around a cylinder.

A wrap is ``(rows columns 3)`` float32 in [0, 1]; rows run from the top of the part down, columns once around it: from
the middle of the back over the person's right, the front (the middle column) and the left, to the back.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic.person import Colour, Item

Wrap = NDArray[np.float32]

TORSO_ROWS, TORSO_COLUMNS = 64, 128
LIMB_ROWS, LIMB_COLUMNS = 32, 32
HEAD_ROWS, HEAD_COLUMNS = 40, 80


def _grid(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Height in [0, 1] as a column, angle in [-π, π) (0 is the front, positive the person's left) as a row."""
    height = ((np.arange(rows)[:, None] + 0.5) / rows).astype(np.float32)
    angle = ((np.arange(columns)[None] + 0.5) / columns * 2 - 1) * np.pi
    return height, angle.astype(np.float32)


@lru_cache(maxsize=8)
def _folds(rows: int, columns: int) -> Wrap:
    """Soft creases, the same in every garment: brightness about 1."""
    rng = np.random.default_rng(7)
    height, angle = _grid(rows, columns)
    creases = np.zeros((rows, columns), np.float32)
    for _ in range(9):
        slope, phase = rng.integers(-3, 4), rng.uniform(0, 6.28)
        creases += np.sin(rng.uniform(6, 26) * height + slope * angle + phase)
    return (1 + 0.022 * creases)[:, :, None].astype(np.float32)


def pattern(item: Item, rows: int, columns: int, repeat: float, folds: float = 1.0) -> Wrap:
    """Colour and texture of a garment; ``repeat`` is the number of stripes, ``folds`` the depth of creases."""
    height, angle = _grid(rows, columns)
    second = _second_colour(item.texture, height, angle, repeat)[:, :, None]
    colour = np.asarray(item.colour, np.float32) * (1 - second) + np.asarray(item.second, np.float32) * second
    return np.minimum(colour * (1 + folds * (_folds(rows, columns) - 1)), 1).astype(np.float32)


def _second_colour(
    texture: str, height: NDArray[np.float32], angle: NDArray[np.float32], repeat: float
) -> NDArray[np.float32]:
    """The share of the second colour at each place, in [0, 1]."""
    rows_wave = np.sin(height * repeat * 2 * np.pi)
    columns_wave = np.sin(angle * round(repeat * 1.6))
    flat = np.zeros((height.size, angle.size), np.float32)
    if texture == "stripes":
        return flat + (rows_wave > 0.1)
    if texture == "bars":
        return flat + (columns_wave > 0.3)
    if texture == "checks":
        return flat + 0.5 * (rows_wave > 0.2) + 0.5 * (columns_wave > 0.2)
    if texture == "dots":
        return flat + (rows_wave * columns_wave > 0.45)
    if texture == "block":
        return flat + (height > 0.52)
    if texture == "band":
        return flat + ((height > 0.3) & (height < 0.48))
    return flat


@lru_cache(maxsize=512)
def torso(item: Item, inner: Colour, straps: Colour | None, sling: Colour | None) -> Wrap:
    """The upper garment around the torso, with its print and the straps over it."""
    wrap = pattern(item, TORSO_ROWS, TORSO_COLUMNS, 6.0)
    height, angle = _grid(TORSO_ROWS, TORSO_COLUMNS)
    if item.texture == "logo":
        _print_logo(wrap, item.second, height, angle)
    if item.kind in ("jacket", "coat"):
        opening = np.abs(angle) < 0.30 - 0.14 * height
        wrap[opening & (height < 0.97)] = np.asarray(inner, np.float32)
        wrap[(np.abs(np.abs(angle) - 0.34 + 0.14 * height) < 0.05) & (height < 2)] *= 0.6
    if item.kind in ("shirt", "vest", "jumper"):  # the neckline
        wrap[(np.abs(angle) < 0.5) & (height < 0.07 - 0.1 * np.abs(angle))] = np.asarray(inner, np.float32)
    if item.kind == "hoodie":
        wrap[(np.abs(angle) < 0.6) & (np.abs(height - 0.78) < 0.012)] *= 0.55
        wrap[(np.abs(angle) < 0.03) & (height < 2)] *= 0.6
    if straps is not None:
        wrap[(np.abs(np.abs(angle) - 0.62) < 0.11) & (height < 0.62)] = np.asarray(straps, np.float32)
    if sling is not None:  # from the right shoulder to the left hip, in front and behind
        across = np.abs(np.sin(angle) - (height * 1.9 - 0.75))
        wrap[across < 0.12] = np.asarray(sling, np.float32)
    return wrap


def _print_logo(wrap: Wrap, colour: Colour, height: NDArray[np.float32], angle: NDArray[np.float32]) -> None:
    """Print a disc over a bar on the chest; from the side it is not visible."""
    disc = (angle / 0.52) ** 2 + ((height - 0.33) / 0.15) ** 2 < 1
    bar = (np.abs(angle) < 0.5) & (np.abs(height - 0.56) < 0.045)
    wrap[disc | bar] = np.asarray(colour, np.float32)


@lru_cache(maxsize=512)
def sleeve(item: Item) -> Wrap:
    """The cloth of the arms."""
    if item.texture == "block":
        item = Item(item.kind, item.colour)
    if item.texture in ("logo", "band"):
        item = Item(item.kind, item.colour)
    return pattern(item, LIMB_ROWS, LIMB_COLUMNS, 3.0, 0.7)


@lru_cache(maxsize=512)
def leg(item: Item) -> Wrap:
    """The cloth of one half of a leg; a band is drawn as a stripe down the outer seam."""
    wrap = pattern(item if item.texture != "band" else Item(item.kind, item.colour), LIMB_ROWS, LIMB_COLUMNS, 2.5)
    if item.texture == "band":
        _, angle = _grid(LIMB_ROWS, LIMB_COLUMNS)
        wrap[:, (np.abs(np.abs(angle[0]) - np.pi / 2) < 0.35)] = np.asarray(item.second, np.float32)
    return wrap


@lru_cache(maxsize=512)
def skirt(item: Item) -> Wrap:
    """The cloth of a skirt or of the tails of a coat, with pleats."""
    wrap = pattern(item, TORSO_ROWS, TORSO_COLUMNS, 5.0)
    _, angle = _grid(TORSO_ROWS, TORSO_COLUMNS)
    return wrap * (1 + 0.07 * np.sin(angle * 14))[:, :, None].astype(np.float32)


@lru_cache(maxsize=256)
def plain(colour: Colour) -> Wrap:
    """Bare skin, leather, straps."""
    return pattern(Item("plain", colour), LIMB_ROWS, LIMB_COLUMNS, 1.0, 0.3)


@lru_cache(maxsize=256)
def head(skin: Colour, hair: Colour, kind: str) -> Wrap:
    """A face in front, hair above and behind."""
    height, angle = _grid(HEAD_ROWS, HEAD_COLUMNS)
    wrap = np.tile(np.asarray(skin, np.float32), (HEAD_ROWS, HEAD_COLUMNS, 1))
    side = np.abs(angle)
    for where in (
        (np.abs(side - 0.36) < 0.16) & (np.abs(height - 0.50) < 0.03),
        (side < 0.25) & (np.abs(height - 0.79) < 0.02),
    ):
        wrap[where] *= 0.35
    wrap[(np.abs(side - 0.36) < 0.2) & (np.abs(height - 0.43) < 0.022)] *= 0.6
    wrap[(side < 0.10) & (np.abs(height - 0.66) < 0.03)] *= 0.8
    if kind != "bald":
        reach = {"short": 0.72, "tail": 0.75, "bun": 0.75}.get(kind, 0.95)
        edge = np.where(side < 0.75, 0.24 + 0.06 * side, np.where(side < 1.35, 0.45, reach))
        wrap[height < edge] = np.asarray(hair, np.float32)
    return wrap * _folds(HEAD_ROWS, HEAD_COLUMNS)


@lru_cache(maxsize=256)
def pack(colour: Colour, second: Colour) -> Wrap:
    """A backpack: a pocket with a flap on the side away from the back."""
    wrap = pattern(Item("pack", colour), LIMB_ROWS, LIMB_COLUMNS, 1.0)
    height, angle = _grid(LIMB_ROWS, LIMB_COLUMNS)
    back = np.pi - np.abs(angle)
    wrap[(back < 0.9) & (height > 0.55) & (height < 0.9)] = np.asarray(second, np.float32)
    wrap[(back < 0.95) & (np.abs(height - 0.53) < 0.025)] *= 0.4
    wrap[(back < 1.3) & (np.abs(height - 0.22) < 0.025)] *= 0.5
    return wrap


@lru_cache(maxsize=256)
def cap(colour: Colour, second: Colour) -> Wrap:
    """A hat: a ribbon round its lower edge."""
    wrap = pattern(Item("cap", colour), LIMB_ROWS, LIMB_COLUMNS, 1.0, 0.3)
    wrap[int(LIMB_ROWS * 0.7) :] = np.asarray(second, np.float32)
    return wrap
