"""The look of a person: build, skin and items worn; near twins."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""

Weights = dict[str, float]
"""The relative frequency of each choice."""

ITEMS = ("hair", "upper", "lower", "shoes", "bag", "backpack", "hat")
"""The items in which near twins may differ."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something worn: its kind and its colours; ``kind="none"`` stands for nothing.

    Attributes:
        kind: A coat, a cap ….
        colour: The main colour.
        second: The colour of the texture, lining or trim.
        texture: plain, stripes, bars, checks, dots, block, band or logo.
        length: How much of the arm or leg a sleeve or trouser leg covers, in [0, 1].
    """

    kind: str = "none"
    colour: Colour = (0.0, 0.0, 0.0)
    second: Colour = (0.0, 0.0, 0.0)
    texture: str = "plain"
    length: float = 1.0


@dataclass(frozen=True, slots=True)
class Person:
    """One person, the same in front of every camera.

    Attributes:
        girth: Width of body and limbs; 1 is average.
        legs: Length of the legs; 1 is average.
        skin: Colour of the skin.
        hair: Short, bald, bob, long, bun, tail or afro.
        upper: Shirt, jumper, jacket, hoodie, coat or vest.
        lower: Trousers, shorts, skirt or gown.
        shoes: Shoes or boots.
        bag: A shoulder bag, a handbag, or none.
        backpack: A backpack, or none.
        hat: A cap, a beanie, a brimmed hat, or none.
    """

    girth: float
    legs: float
    skin: Colour
    hair: Item
    upper: Item
    lower: Item
    shoes: Item
    bag: Item = Item()
    backpack: Item = Item()
    hat: Item = Item()


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """The items that people of one world wear, and how often; with few choices, people look alike.

    Attributes:
        skins: Colours of skin.
        hair_colours: Colours of hair.
        hair: Kinds of hair.
        upper_colours: Colours of upper garments and of their textures.
        upper: Kinds of upper garments.
        sleeves: Probability of short sleeves, for kinds that may have them.
        textures: Textures of upper garments.
        lower_colours: Colours of lower garments.
        lower: Kinds of lower garments.
        lower_textures: Textures of lower garments.
        shoe_colours: Colours of shoes.
        shoes: Kinds of shoes.
        carry_colours: Colours of bags, backpacks and hats.
        bag: Kinds of bag, with ``none``.
        backpack: ``backpack`` and ``none``.
        hat: Kinds of hat, with ``none``.
    """

    skins: Sequence[Colour]
    hair_colours: Sequence[Colour]
    hair: Weights
    upper_colours: Sequence[Colour]
    upper: Weights
    sleeves: float
    textures: Weights
    lower_colours: Sequence[Colour]
    lower: Weights
    lower_textures: Weights
    shoe_colours: Sequence[Colour]
    shoes: Weights
    carry_colours: Sequence[Colour]
    bag: Weights
    backpack: Weights
    hat: Weights


def dress(rng: np.random.Generator, wardrobe: Wardrobe) -> Person:
    """Draw a person at random."""
    return Person(
        girth=float(rng.uniform(0.86, 1.2)),
        legs=float(rng.uniform(0.96, 1.04)),
        skin=_pick(rng, wardrobe.skins),
        **{name: _item(name, rng, wardrobe) for name in ITEMS},
    )


def near_twin(person: Person, rng: np.random.Generator, wardrobe: Wardrobe) -> Person:
    """Draw a person that differs from ``person`` in exactly one item."""
    name = ITEMS[int(rng.integers(len(ITEMS)))]
    item = getattr(person, name)
    while item == getattr(person, name):
        item = _item(name, rng, wardrobe)
    return replace(person, **{name: item})


def differences(first: Person, second: Person) -> tuple[str, ...]:
    """Names of the traits in which two people differ."""
    return tuple(f.name for f in fields(Person) if getattr(first, f.name) != getattr(second, f.name))


def _pick(rng: np.random.Generator, choices: Sequence[Colour]) -> Colour:
    return choices[int(rng.integers(len(choices)))]


def _weighted(rng: np.random.Generator, weights: Weights) -> str:
    total = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(total, rng.uniform(0, total[-1]), side="right"))]


def _item(name: str, rng: np.random.Generator, wardrobe: Wardrobe) -> Item:
    if name == "upper":
        return _upper(rng, wardrobe)
    if name == "lower":
        return _lower(rng, wardrobe)
    if name == "hair":
        return Item(_weighted(rng, wardrobe.hair), _pick(rng, wardrobe.hair_colours))
    if name == "shoes":
        return Item(_weighted(rng, wardrobe.shoes), _pick(rng, wardrobe.shoe_colours))
    kind = _weighted(rng, getattr(wardrobe, name))
    return Item() if kind == "none" else Item(kind, *_two(rng, wardrobe.carry_colours))


def _two(rng: np.random.Generator, choices: Sequence[Colour]) -> tuple[Colour, Colour]:
    first, second = rng.choice(len(choices), size=2, replace=False)
    return choices[int(first)], choices[int(second)]


def _upper(rng: np.random.Generator, wardrobe: Wardrobe) -> Item:
    kind = _weighted(rng, wardrobe.upper)
    texture = _weighted(rng, wardrobe.textures)
    short = rng.random() < wardrobe.sleeves
    length = {"vest": 0.0, "shirt": 0.34 if short else 1.0, "jumper": 1.0}.get(kind, 1.0)
    colour, second = _two(rng, wardrobe.upper_colours)
    if texture == "plain" and kind not in ("jacket", "coat"):
        second = colour  # a plain garment shows no second colour
    return Item(kind, colour, second, texture, length)


def _lower(rng: np.random.Generator, wardrobe: Wardrobe) -> Item:
    kind = _weighted(rng, wardrobe.lower)
    texture = _weighted(rng, wardrobe.lower_textures)
    colour, second = _two(rng, wardrobe.lower_colours)
    length = {"trousers": 1.0, "shorts": 0.42, "skirt": 0.45, "gown": 0.85}[kind]
    return Item(kind, colour, colour if texture == "plain" else second, texture, length)
