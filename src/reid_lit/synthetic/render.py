"""Draw a planned image."""

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic import props
from reid_lit.synthetic.camera import Camera, expose
from reid_lit.synthetic.figure import draw_figure
from reid_lit.synthetic.person import Person, dress, near_twin
from reid_lit.synthetic.plan import QUERY, PlannedImage
from reid_lit.synthetic.scene import COLUMNS, ROWS, draw_scene
from reid_lit.synthetic.skeleton import Pose
from reid_lit.synthetic.stamp import Canvas, Light, paste
from reid_lit.synthetic.world import World

_HEIGHT, _WIDTH = 192, 96
"""Size of the canvas; 1.5 times the image."""

_BODY, _FOOT = 0.89, 0.95
"""Height of the body and place of its foot (from the top) in a perfect box, as shares of the box."""

_PERSON, _TRACK, _IMAGE, _SCENE, _PASSER = 1, 2, 3, 4, 5
"""Streams of random numbers."""


class Box(NamedTuple):
    """The place of a person on the canvas: the foot in pixels, and the body height in pixels."""

    x: float
    y: float
    scale: float


def person_of(world: World, identity: int, seed: int) -> Person:
    """The person of an identity; an odd number may be the near twin of the number before."""
    rng = np.random.default_rng([seed, world.number, _PERSON, identity])
    if identity % 2 and rng.random() < world.twins:
        return near_twin(person_of(world, identity - 1, seed), rng, world.wardrobe)
    return dress(rng, world.wardrobe)


def draw(world: World, drawing: PlannedImage, seed: int = 0) -> NDArray[np.uint8]:
    """Draw a planned image: ``(128 64 3)`` uint8, red, green, blue."""
    person = person_of(world, drawing.identity, seed)
    track = np.random.default_rng([seed, world.number, _TRACK, drawing.track])
    rng = np.random.default_rng([seed, world.number, _IMAGE, drawing.position])
    camera = world.cameras[drawing.camera]
    pose = _pose(person, camera, drawing.yaw, track, rng)
    box = _box(camera, drawing, rng)
    place = track.uniform(0.1, 0.9), track.uniform(0.1, 0.9)
    canvas = _background(world, drawing, seed, box, place, rng)
    light = _light(camera, track, rng)
    if rng.random() < camera.crowd:
        _passer_by(canvas, world, drawing.camera, seed, box, rng)
    if drawing.person_id >= 0 or rng.random() < 0.6:
        _shade_ground(canvas, box, light)
        draw_figure(canvas, person, pose, (box.x, box.y), box.scale, light)
    if rng.random() < camera.occlusion:
        _occlude(canvas, camera, box, rng)
    return expose(canvas, camera, world.jitter, rng)


def portrait(person: Person, yaw: float = 0.0, phase: float = 0.8) -> NDArray[np.uint8]:
    """Draw a person on plain grey, for contact sheets and tests: ``(192 96 3)`` uint8, red, green, blue."""
    canvas = np.full((_HEIGHT, _WIDTH, 4), 0.72, np.float32)
    canvas[:, :, 3] = 1
    draw_figure(canvas, person, Pose(yaw, phase=phase), (_WIDTH / 2, _FOOT * _HEIGHT), _BODY * _HEIGHT, Light())
    return np.clip(canvas[:, :, :3] * 255, 0, 255).astype(np.uint8)


def _pose(person: Person, camera: Camera, yaw: float, track: np.random.Generator, rng: np.random.Generator) -> Pose:
    walks = track.random() < 0.85
    stride = track.uniform(0.2, 0.42) if walks else 0.04
    elbows = track.uniform(0.1, 0.6), track.uniform(0.1, 0.6)
    if track.random() < 0.12:
        elbows = 2.1, elbows[1]  # a telephone
    if person.bag.kind == "hand":
        elbows = elbows[0], 0.1
    pitch = camera.pitch + rng.normal(0, 0.02)
    return Pose(yaw, pitch, rng.uniform(0, 2 * math.pi), stride, elbows, track.uniform(0.0, 0.08))


def _light(camera: Camera, track: np.random.Generator, rng: np.random.Generator) -> Light:
    light = camera.light
    level = math.exp(rng.normal(0, 0.06)) * (1.0 if track.random() < 0.7 else 0.8)  # some tracks are in the shade
    return Light(
        light.right + rng.normal(0, 0.1), light.up + rng.normal(0, 0.05), light.front * level, light.ambient * level
    )


def _box(camera: Camera, drawing: PlannedImage, rng: np.random.Generator) -> Box:
    """A box around the person: tighter for queries (drawn by hand), off the body for junk."""
    loose = camera.looseness * (0.5 if drawing.folder == QUERY else 1.0)
    scale = _BODY * math.exp(rng.normal(-0.01, loose))
    x, y = 0.5 + rng.normal(0, 1.2 * loose), _FOOT + rng.normal(0, loose)
    if drawing.person_id < 0:
        sign = 1 if rng.random() < 0.5 else -1
        x, y, scale = (
            (x + sign * rng.uniform(0.4, 0.7), y, scale),
            (x, y + rng.uniform(0.4, 0.6), scale),
            (x, y + rng.uniform(1.0, 1.6), scale * rng.uniform(2.2, 3.2)),
            (x, y - rng.uniform(0.35, 0.5), scale),
        )[int(rng.integers(4))]
    return Box(x * _WIDTH, y * _HEIGHT, scale * _HEIGHT)


@lru_cache(maxsize=16)
def _scene(world: World, camera: int, seed: int) -> Canvas:
    rng = np.random.default_rng([seed, world.number, _SCENE, camera])
    return draw_scene(world.cameras[camera].setting, rng)


def _background(
    world: World, drawing: PlannedImage, seed: int, box: Box, place: tuple[float, float], rng: np.random.Generator
) -> Canvas:
    """The scene behind the person; a person lower in the scene is nearer, and so larger."""
    horizon = world.cameras[drawing.camera].setting.horizon
    walked = 0.07 * drawing.step
    across = (place[0] + walked * math.sin(drawing.yaw) + rng.normal(0, 0.03)) % 1.0
    near = min(max(place[1] + 0.6 * walked * math.cos(drawing.yaw) + rng.normal(0, 0.02), 0.0), 1.0)
    x, y = COLUMNS * (0.12 + 0.76 * across), ROWS * (horizon + (1 - horizon) * (0.3 + 0.62 * near))
    zoom = box.scale / (ROWS * (0.32 + 0.30 * near))
    move = np.array([[zoom, 0, box.x - zoom * x], [0, zoom, box.y - zoom * y]])
    return cv2.warpAffine(_scene(world, drawing.camera, seed), move, (_WIDTH, _HEIGHT), borderMode=cv2.BORDER_REFLECT)


_SHADOW = props.shadow()


def _shade_ground(canvas: Canvas, box: Box, light: Light) -> None:
    """Draw a shadow under the feet, longer away from the light."""
    wide, deep = box.scale * 0.2 / 24, box.scale * 0.045 / 24
    lean = -light.right * 0.25 * box.scale
    for size, drift in ((1.0, 0.0), (1.5, lean)):
        move = np.array(
            [[wide * size, 0, box.x + drift - wide * size * 24], [0, deep, box.y - 0.012 * box.scale - deep * 24]]
        )
        paste(canvas, _SHADOW, move)


@lru_cache(maxsize=128)
def _passer(world: World, camera: int, seed: int, number: int) -> Canvas:
    """Draw a passer-by on a separate canvas of half the size."""
    rng = np.random.default_rng([seed, world.number, _PASSER, camera, number])
    canvas = np.zeros((_HEIGHT, _WIDTH, 4), np.float32)
    pose = Pose(rng.uniform(0, 6.28), world.cameras[camera].pitch, rng.uniform(0, 6.28))
    foot = _WIDTH / 2, _FOOT * _HEIGHT
    draw_figure(canvas, dress(rng, world.wardrobe), pose, foot, _BODY * _HEIGHT, world.cameras[camera].light)
    return cv2.resize(canvas, (_WIDTH // 2, _HEIGHT // 2), interpolation=cv2.INTER_AREA)


def _passer_by(canvas: Canvas, world: World, camera: int, seed: int, box: Box, rng: np.random.Generator) -> None:
    """Draw a passer-by: smaller, further away and to the side."""
    sprite = _passer(world, camera, seed, int(rng.integers(12)))
    zoom = 2 * rng.uniform(0.5, 0.95) * box.scale / (_BODY * _HEIGHT)
    side = rng.choice([-1.0, 1.0]) * rng.uniform(0.16, 0.34) * box.scale
    foot = box.y - (2 - zoom) * 0.16 * box.scale
    move = np.array([[zoom, 0, box.x + side - zoom * _WIDTH / 4], [0, zoom, foot - zoom * _FOOT * _HEIGHT / 2]])
    paste(canvas, sprite, move)


@lru_cache(maxsize=64)
def _occluder(kind: str, number: int) -> Canvas:
    return props.occluder(kind, np.random.default_rng([props.KINDS.index(kind), number]))


def _occlude(canvas: Canvas, camera: Camera, box: Box, rng: np.random.Generator) -> None:
    """Draw a thing in front of the person, a little nearer to the camera."""
    kind = camera.setting.occluders[int(rng.integers(len(camera.setting.occluders)))]
    sprite = _occluder(kind, int(rng.integers(4)))
    tall = 1.6 if kind == "pole" else rng.uniform(0.42, 0.6)
    zoom = tall * box.scale / props.SIZE
    wide = zoom * (0.5 if kind == "pole" else 1.0)
    x = box.x + rng.normal(0, 0.13) * box.scale
    foot = box.y + rng.uniform(0.01, 0.06) * box.scale
    move = np.array([[wide, 0, x - wide * props.SIZE / 2], [0, zoom, foot - zoom * props.SIZE]])
    paste(canvas, sprite, move)
