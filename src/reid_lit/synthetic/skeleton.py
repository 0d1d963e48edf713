"""The joints of a walking body in three dimensions, projected to the screen of a camera.

Body axes: x to the person's left, y up, z forward; the unit is the height of the body, the origin between the feet.
On the screen x runs right, y up, and depth towards the camera.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic.person import Person


class Pose(NamedTuple):
    """One instant of a walk.

    Attributes:
        yaw: The direction that the person faces, in radians: 0 the camera, π away from it, π/2 the right of the image.
        pitch: How far the camera looks down, in radians.
        phase: The instant of the step, in radians; a step is 2π.
        stride: Swing of the legs, in radians; 0 stands still.
        elbows: Bend of the right and the left elbow, in radians.
        lean: How far the body leans forward, in radians.
    """

    yaw: float
    pitch: float = 0.12
    phase: float = 0.0
    stride: float = 0.4
    elbows: tuple[float, float] = (0.3, 0.3)
    lean: float = 0.03


Joint = tuple[float, float, float]
"""Screen x, screen y (up), depth (towards the camera)."""

HIP, SHOULDER = 0.52, 0.815
_SIDES = {"right": -1.0, "left": 1.0}


def joints(person: Person, pose: Pose) -> dict[str, Joint]:
    """The joints of a person on the screen, by name (``left knee``, ``neck`` …)."""
    body: dict[str, Joint] = {}
    hip = HIP * person.legs
    bob = 0.012 * math.cos(2 * pose.phase) * pose.stride
    up = SHOULDER + (hip - HIP) * 0.5 + bob
    slope = math.tan(pose.lean)
    body["hip"] = (0.0, hip + bob, 0.0)
    body["neck"] = (0.0, up + 0.022, (up - hip) * slope)
    body["head"] = (0.0, up + 0.115, (up - hip) * slope + 0.018)
    for side, sign in _SIDES.items():
        _leg(body, side, sign, hip + bob, person.girth, pose)
        _arm(body, side, sign, up, (up - hip) * slope, person.girth, pose)
    return _project(body, pose)


def _leg(body: dict[str, Joint], side: str, sign: float, hip: float, girth: float, pose: Pose) -> None:
    swing = pose.stride * math.sin(pose.phase + (math.pi if sign < 0 else 0.0))
    bend = pose.stride * max(0.05, 1.5 * math.cos(pose.phase + (math.pi if sign < 0 else 0.0)))
    x, thigh, shin = sign * 0.047 * girth, hip * 0.47, hip * 0.45
    lower = swing - bend * 0.8
    knee = (x, hip - thigh * math.cos(swing), thigh * math.sin(swing))
    ankle = (x * 0.9, knee[1] - shin * math.cos(lower), knee[2] + shin * math.sin(lower))
    tip = lower * 0.55
    body[f"{side} hip"] = (x, hip, 0.0)
    body[f"{side} knee"] = knee
    body[f"{side} ankle"] = ankle
    heel = (ankle[0], ankle[1] - 0.022, ankle[2] - 0.028)
    body[f"{side} heel"] = heel
    body[f"{side} toe"] = (heel[0] * 1.2, heel[1] + 0.13 * math.sin(tip) - 0.004, heel[2] + 0.13 * math.cos(tip))


def _arm(body: dict[str, Joint], side: str, sign: float, up: float, forward: float, girth: float, pose: Pose) -> None:
    swing = -0.75 * pose.stride * math.sin(pose.phase + (math.pi if sign < 0 else 0.0))
    elbow_bend = pose.elbows[0 if sign < 0 else 1]
    x = sign * (0.085 + 0.024 * girth)
    shoulder = (x, up - 0.02, forward)
    elbow = (x + sign * 0.018 * girth, shoulder[1] - 0.165 * math.cos(swing), forward + 0.165 * math.sin(swing))
    turn = swing + elbow_bend
    wrist = (elbow[0] - sign * 0.004, elbow[1] - 0.14 * math.cos(turn), elbow[2] + 0.14 * math.sin(turn))
    body[f"{side} shoulder"], body[f"{side} elbow"], body[f"{side} wrist"] = shoulder, elbow, wrist
    body[f"{side} hand"] = (wrist[0], wrist[1] - 0.062 * math.cos(turn), wrist[2] + 0.062 * math.sin(turn))


def _project(body: dict[str, Joint], pose: Pose) -> dict[str, Joint]:
    points = project(np.array(list(body.values())), pose).tolist()
    return {name: (x, y, depth) for name, (x, y, depth) in zip(body, points, strict=True)}


def project(points: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Convert body coordinates ``(n 3)`` to screen coordinates ``(n 3)``."""
    sine, cosine = math.sin(pose.yaw), math.cos(pose.yaw)
    down, level = math.sin(pose.pitch), math.cos(pose.pitch)
    turned = np.array([[cosine, sine * down, -sine], [0.0, level, 0.0], [sine, -cosine * down, cosine]])
    return points @ turned
