"""A person in a pose as a list of parts, from far to near."""

import math
from collections.abc import Iterator

from reid_lit.synthetic import cloth
from reid_lit.synthetic.accessories import carried, hair, hat
from reid_lit.synthetic.person import Colour, Person
from reid_lit.synthetic.skeleton import Joint, Pose, joints
from reid_lit.synthetic.stamp import Canvas, Light, Part, draw_part

_INNER: Colour = (0.9, 0.88, 0.85)
_BEFORE_TORSO, _LEGS = 0.05, -0.04


def draw_figure(
    canvas: Canvas, person: Person, pose: Pose, foot: tuple[float, float], scale: float, light: Light
) -> None:
    """Draw a person; ``foot`` is the ground below the body in pixels, ``scale`` the height of the body in pixels."""
    for part in figure(person, pose):
        draw_part(canvas, part, foot, scale, light)


def figure(person: Person, pose: Pose) -> list[Part]:
    """All parts of a person in a pose, in the order of drawing."""
    at = joints(person, pose)
    parts = [*_torso(person, pose, at), *_lower(person, pose, at), *_head(person, pose, at)]
    for side in ("right", "left"):
        parts += [*_leg(person, pose, at, side), *_arm(person, pose, at, side)]
    parts += [*hair(person, pose, at), *hat(person, pose, at), *carried(person, pose, at)]
    return sorted(parts, key=lambda part: part.order)


def breadth(yaw: float, wide: float, deep: float) -> float:
    """Half-width on the screen of an ellipse seen at a yaw."""
    return math.hypot(wide * math.cos(yaw), deep * math.sin(yaw))


def _between(a: Joint, b: Joint, before: float, after: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The line from ``a`` to ``b``, made longer at both ends, in body heights."""
    x, y = b[0] - a[0], b[1] - a[1]
    length = math.hypot(x, y) or 1e-6
    x, y = x / length, y / length
    return (a[0] - x * before, a[1] - y * before), (b[0] + x * after, b[1] + y * after)


def _split(a: Joint, b: Joint, share: float) -> Joint:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def _torso(person: Person, pose: Pose, at: dict[str, Joint]) -> Iterator[Part]:
    upper, girth = person.upper, person.girth
    straps = person.backpack.colour if person.backpack.kind != "none" else None
    sling = person.bag.colour if person.bag.kind == "shoulder" else None
    inner = upper.second if upper.kind in ("jacket", "coat") else person.skin
    wrap = cloth.torso(upper, inner if upper.kind != "hoodie" else _INNER, straps, sling)
    neck, hip = at["neck"], at["hip"]
    loose = 1.1 if upper.kind in ("jacket", "coat", "hoodie") else 1.0
    below = 0.0 if upper.kind != "vest" else -0.01
    top, bottom = (neck[0], neck[1] + 0.012), (hip[0], hip[1] - 0.02 - below)
    yield Part(0.0, "torso", wrap, top, bottom, loose * girth * breadth(pose.yaw, 0.118, 0.078), pose.yaw)
    if upper.kind == "coat":
        tails = cloth.skirt(upper)
        half = girth * breadth(pose.yaw, 0.112, 0.085) * 1.04
        low = hip[0], hip[1] - 0.27 * person.legs
        yield Part(-0.001, "tails", tails, (hip[0], hip[1] + 0.02), low, half * (1 + 0.1 * pose.stride), pose.yaw)
    if upper.kind == "hoodie":
        behind = -0.055 * math.sin(pose.yaw)
        order = 0.02 if math.cos(pose.yaw) < 0.3 else -0.003
        yield Part(
            order,
            "ball",
            cloth.sleeve(upper),
            (neck[0] + behind, neck[1] + 0.03),
            (neck[0] + behind, neck[1] - 0.055),
            girth * breadth(pose.yaw, 0.072, 0.04),
            0.0,
        )


def _lower(person: Person, pose: Pose, at: dict[str, Joint]) -> Iterator[Part]:
    lower, girth, hip = person.lower, person.girth, at["hip"]
    half = girth * breadth(pose.yaw, 0.098, 0.08)
    wrap = cloth.leg(lower)
    yield Part(-0.005, "hips", wrap, (hip[0], hip[1] + 0.04), (hip[0], hip[1] - 0.085), half, pose.yaw)
    if lower.kind in ("skirt", "gown"):
        drop = 0.47 * person.legs * lower.length + 0.05
        stretch = 0.5 * pose.stride * lower.length * abs(math.sin(pose.yaw))  # by the legs, seen from the side
        flare = girth * breadth(pose.yaw, 0.125, 0.105) + 0.02 * lower.length + 0.32 * stretch
        low = hip[0], hip[1] - drop
        yield Part(-0.004, "skirt", cloth.skirt(lower), (hip[0], hip[1] + 0.045), low, flare, pose.yaw)


def _leg(person: Person, pose: Pose, at: dict[str, Joint], side: str) -> Iterator[Part]:
    hip, knee, ankle = at[f"{side} hip"], at[f"{side} knee"], at[f"{side} ankle"]
    order = _LEGS + 0.1 * (knee[2] + ankle[2]) / 2
    lower, girth = person.lower, person.girth
    bare = cloth.plain(person.skin)
    covered = 0.0 if lower.kind in ("skirt", "gown") else lower.length
    upper_leg = cloth.leg(lower) if covered > 0.3 else bare
    shin, outline = (cloth.leg(lower), "leg of trousers") if covered > 0.9 else (bare, "shin")
    yield Part(order - 0.001, outline, shin, *_between(knee, ankle, 0.02, 0.012), 0.042 * girth, pose.yaw)
    yield Part(order, "thigh", upper_leg, *_between(hip, knee, 0.03, 0.022), 0.06 * girth, pose.yaw)
    if 0.3 < covered < 0.9:
        yield Part(order + 0.001, "tails", upper_leg, *_between(hip, knee, 0.0, 0.0), 0.062 * girth, pose.yaw)
    shoe = cloth.plain(person.shoes.colour)
    heel, toe = at[f"{side} heel"], at[f"{side} toe"]
    if person.shoes.kind == "boots":
        half = 0.045 if covered < 0.9 else 0.047
        yield Part(order + 0.0015, "leg of trousers", shoe, _split(knee, ankle, 0.45)[:2], ankle[:2], half * girth)
    yield Part(order + 0.002, "shoe", shoe, *_between(heel, toe, 0.02, 0.018), 0.031, pose.yaw)


def _arm(person: Person, pose: Pose, at: dict[str, Joint], side: str) -> Iterator[Part]:
    shoulder, elbow, wrist, hand = (at[f"{side} {name}"] for name in ("shoulder", "elbow", "wrist", "hand"))
    order = _BEFORE_TORSO + (shoulder[2] + elbow[2] * 2) / 3
    girth = person.girth * (1.12 if person.upper.kind in ("jacket", "coat", "hoodie") else 1.0)
    cloth_arm, bare = cloth.sleeve(person.upper), cloth.plain(person.skin)
    length = person.upper.length
    fore = cloth_arm if length > 0.9 else bare
    yield Part(order, "hand", bare, *_between(wrist, hand, 0.012, 0.006), 0.023)
    yield Part(order + 0.001, "forearm", fore, *_between(elbow, wrist, 0.02, 0.008), 0.030 * girth, pose.yaw)
    above = cloth_arm if length > 0.9 else bare
    yield Part(order + 0.002, "upper arm", above, *_between(shoulder, elbow, 0.024, 0.018), 0.037 * girth, pose.yaw)
    if 0.0 < length < 0.9:
        low = _split(shoulder, elbow, 0.62)
        yield Part(order + 0.003, "upper arm", cloth_arm, *_between(shoulder, low, 0.026, 0.0), 0.043 * girth, pose.yaw)


def _head(person: Person, pose: Pose, at: dict[str, Joint]) -> Iterator[Part]:
    neck, head = at["neck"], at["head"]
    bare = cloth.plain(person.skin)
    yield Part(-0.002, "neck", bare, (head[0], head[1] - 0.04), (neck[0], neck[1] - 0.012), 0.036 * person.girth**0.5)
    face = cloth.head(person.skin, person.hair.colour, person.hair.kind)
    half = breadth(pose.yaw, 0.05, 0.06)
    yield Part(0.045, "head", face, (head[0], head[1] + 0.072), (head[0], head[1] - 0.072), half, pose.yaw)
