"""Hair, hats, bags and backpacks as parts."""

import math
from collections.abc import Iterator

from reid_lit.synthetic import cloth
from reid_lit.synthetic.person import Person
from reid_lit.synthetic.skeleton import Joint, Pose
from reid_lit.synthetic.stamp import Part

Joints = dict[str, Joint]
_BEHIND = -0.09


def _offset(pose: Pose, left: float, forward: float) -> tuple[float, float]:
    """Screen x and depth of a point next to the body's axis."""
    sine, cosine = math.sin(pose.yaw), math.cos(pose.yaw)
    return left * cosine + forward * sine, forward * cosine - left * sine


def _breadth(pose: Pose, wide: float, deep: float) -> float:
    return math.hypot(wide * math.cos(pose.yaw), deep * math.sin(pose.yaw))


def hair(person: Person, pose: Pose, at: Joints) -> Iterator[Part]:
    """Hair outside the outline of the head."""
    kind, colour = person.hair.kind, cloth.plain(person.hair.colour)
    x, y, _ = at["head"]
    shift, depth = _offset(pose, 0.0, -0.04)
    order = 0.05 if depth > -0.01 else -0.0025
    if kind == "long":
        half = _breadth(pose, 0.064, 0.042)
        yield Part(order, "locks", colour, (x + shift * 0.6, y + 0.055), (x + shift * 1.1, y - 0.19), half)
    if kind == "bob":
        half = _breadth(pose, 0.062, 0.052)
        yield Part(order, "locks", colour, (x + shift * 0.5, y + 0.065), (x + shift * 0.6, y - 0.085), half)
    if kind == "afro":
        half = _breadth(pose, 0.078, 0.076)
        yield Part(order, "ball", colour, (x + shift * 0.5, y + 0.105), (x + shift * 0.5, y - 0.055), half)
    if kind == "bun":
        yield Part(order, "ball", colour, (x + shift * 1.5, y + 0.105), (x + shift * 1.5, y + 0.035), 0.034)
    if kind == "tail":
        high, low = (x + shift * 1.5, y + 0.05), (x + shift * 2.1, y - 0.13)
        yield Part(order, "forearm", colour, high, low, 0.026)


def hat(person: Person, pose: Pose, at: Joints) -> Iterator[Part]:
    """A cap with its peak in front, a beanie, or a hat with a brim all round."""
    kind = person.hat.kind
    if kind == "none":
        return
    x, y, _ = at["head"]
    wrap = cloth.cap(person.hat.colour, person.hat.second)
    half = _breadth(pose, 0.057, 0.066)
    brow = y + (0.022 if kind != "beanie" else 0.012)
    yield Part(0.06, "dome", wrap, (x, y + 0.088), (x, brow), half)
    if kind == "cap":
        shift, depth = _offset(pose, 0.0, 0.085)
        if depth > -0.05:
            peak = 0.018 + 0.034 * abs(math.sin(pose.yaw)) + 0.024 * max(math.cos(pose.yaw), 0)
            brim = cloth.plain(person.hat.second)
            yield Part(0.061, "ball", brim, (x + shift * 0.8, brow + 0.014), (x + shift * 0.8, brow - 0.016), peak)
    if kind == "brim":
        yield Part(0.059, "ball", cloth.plain(person.hat.colour), (x, brow + 0.02), (x, brow - 0.018), half * 1.75)


def carried(person: Person, pose: Pose, at: Joints) -> Iterator[Part]:
    """The backpack and the bag."""
    neck, hip = at["neck"], at["hip"]
    if person.backpack.kind != "none":
        shift, depth = _offset(pose, 0.0, -0.10 * person.girth)
        wrap = cloth.pack(person.backpack.colour, person.backpack.second)
        half = _breadth(pose, 0.098, 0.058)
        order = 0.2 if depth > 0.02 else (0.001 if abs(depth) <= 0.02 else -0.12)
        top = neck[0] + shift, neck[1] - 0.015
        yield Part(order, "box", wrap, top, (hip[0] + shift, hip[1] + 0.05), half, pose.yaw)
    if person.bag.kind == "shoulder":
        shift, depth = _offset(pose, 0.125 * person.girth, 0.01)
        leather = cloth.plain(person.bag.colour)
        half = _breadth(pose, 0.034, 0.075)
        order = 0.12 if depth > -0.03 else _BEHIND
        top = hip[0] + shift, hip[1] + 0.055
        yield Part(order, "box", leather, top, (top[0], top[1] - 0.125), half)
    if person.bag.kind == "hand":
        hand = at["left hand"]
        leather = cloth.plain(person.bag.colour)
        order = 0.06 + hand[2] - 0.02
        half = _breadth(pose, 0.042, 0.085)
        yield Part(
            order, "strap", leather, (hand[0] - half * 0.4, hand[1]), (hand[0] - half * 0.4, hand[1] - 0.06), 0.006
        )
        yield Part(
            order, "strap", leather, (hand[0] + half * 0.4, hand[1]), (hand[0] + half * 0.4, hand[1] - 0.06), 0.006
        )
        yield Part(order + 0.001, "box", leather, (hand[0], hand[1] - 0.05), (hand[0], hand[1] - 0.165), half)
