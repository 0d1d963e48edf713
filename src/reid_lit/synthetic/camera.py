"""A camera: its setting and light, and the effects of its lens and sensor."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic.person import Colour
from reid_lit.synthetic.stamp import Canvas, Light

HEIGHT, WIDTH = 128, 64
"""Size of every image, in pixels; Market-1501's own."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The place that a camera looks at.

    Attributes:
        ground: Tiles, cobbles, asphalt, grass or boards.
        ground_colour: Its colour.
        wall: Shops, bricks, glass, arches, hedge or lockers.
        wall_colour: Its colour.
        accent: Colour of doors, awnings and window frames.
        horizon: Height of the horizon, as a share of the picture from the top.
        greenery: How many trees and bushes.
        occluders: Kinds of things that people pass behind.
    """

    ground: str
    ground_colour: Colour
    wall: str
    wall_colour: Colour
    accent: Colour
    horizon: float
    greenery: int
    occluders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera.

    Attributes:
        setting: The place that it looks at.
        light: The light on people there.
        pitch: How far it looks down, in radians.
        gains: White balance, as gains of red, green and blue.
        exposure: Brightness; 1 is neutral.
        contrast: Exponent of the response; 1 is neutral.
        saturation: 0 is grey, 1 neutral.
        haze: Share of light from mist or glare instead of the scene, in [0, 1].
        blur: Standard deviation of the blur, in pixels of the image.
        noise: Standard deviation of the noise, in grey levels.
        resolution: Size of the crop before it is enlarged to the image, as a share of the image.
        quality: JPEG quality, 1 to 95.
        crowd: Probability of another person in the picture.
        occlusion: Probability of something in front of the person.
        looseness: Standard deviation of the box's misalignment, in body heights.
    """

    setting: Setting
    light: Light
    pitch: float
    gains: Colour
    exposure: float
    contrast: float = 1.0
    saturation: float = 1.0
    haze: float = 0.0
    blur: float = 0.35
    noise: float = 4.0
    resolution: float = 0.9
    quality: int = 85
    crowd: float = 0.18
    occlusion: float = 0.1
    looseness: float = 0.02


@dataclass(frozen=True, slots=True)
class Jitter:
    """How much the picture varies from image to image within one camera (standard deviations).

    Attributes:
        exposure: Of the logarithm of the exposure.
        balance: Of the logarithm of each gain.
        contrast: Of the contrast.
    """

    exposure: float
    balance: float
    contrast: float


def expose(canvas: Canvas, camera: Camera, jitter: Jitter, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take a camera's picture of a canvas: ``(128 64 3)`` uint8."""
    share = camera.resolution * rng.uniform(0.8, 1.1)
    size = max(round(WIDTH * share), 16), max(round(HEIGHT * share), 32)
    image = cv2.resize(canvas[:, :, :3], size, interpolation=cv2.INTER_AREA)
    cv2.transform(image, _colour_matrix(camera, jitter, rng), dst=image)
    np.clip(image, 0, 1, out=image)
    cv2.pow(image, camera.contrast * float(np.exp(rng.normal(0, jitter.contrast))), dst=image)
    image *= 255
    if size != (WIDTH, HEIGHT):
        image = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    blur = camera.blur * rng.uniform(0.6, 1.4)
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    image += _noise(rng) * np.float32(camera.noise)
    np.clip(image, 0, 255, out=image)
    return image.astype(np.uint8)


_MIST = 0.62
"""Brightness of haze."""


def _colour_matrix(camera: Camera, jitter: Jitter, rng: np.random.Generator) -> NDArray[np.float32]:
    gains = np.asarray(camera.gains) * np.exp(rng.normal(0, jitter.balance, 3))
    gains *= camera.exposure * np.exp(rng.normal(0, jitter.exposure))
    grey = np.array([0.3, 0.59, 0.11]) * (1 - camera.saturation)
    matrix = np.eye(3) * camera.saturation + grey[None]
    hazy = np.hstack([matrix * (1 - camera.haze), np.full((3, 1), _MIST * camera.haze)])
    return (hazy * gains[:, None]).astype(np.float32)


_NORMAL = np.random.default_rng(11).standard_normal((HEIGHT * 3, WIDTH * 3, 3)).astype(np.float32)


def _noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """Standard normal noise, cut out of a fixed array."""
    top, left = int(rng.integers(HEIGHT * 2)), int(rng.integers(WIDTH * 2))
    return _NORMAL[top : top + HEIGHT, left : left + WIDTH]
