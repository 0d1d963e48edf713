from dataclasses import replace

import numpy as np
import pytest

from reid_lit.synthetic.person import ITEMS, Item, differences, dress, near_twin
from reid_lit.synthetic.render import person_of, portrait
from reid_lit.synthetic.worlds import WORLDS

FRONT, SIDE, BACK = 0.0, np.pi / 2, np.pi


@pytest.fixture
def plain_person():
    person = dress(np.random.default_rng(0), WORLDS["plaza"].wardrobe)
    shirt = Item("shirt", (0.2, 0.3, 0.7), (0.9, 0.8, 0.1), "plain")
    hair = Item("short", (0.1, 0.1, 0.1))
    return replace(person, upper=shirt, hair=hair, bag=Item(), backpack=Item(), hat=Item())


def changed(one, other, yaw):
    """Pixels that differ visibly."""
    return int((np.abs(portrait(one, yaw).astype(int) - portrait(other, yaw)).max(axis=2) > 8).sum())


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_near_twins_differ_in_exactly_one_item(world):
    rng = np.random.default_rng(1)
    for _ in range(60):
        person = dress(rng, world.wardrobe)
        (item,) = differences(person, near_twin(person, rng, world.wardrobe))
        assert item in ITEMS


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_some_neighbours_are_near_twins(world):
    pairs = [differences(person_of(world, k, 0), person_of(world, k + 1, 0)) for k in range(0, 200, 2)]
    twins = sum(len(pair) == 1 for pair in pairs)
    assert abs(twins / len(pairs) - world.twins) < 0.15
    assert all(pairs)


def test_logo_shows_from_the_front_only(plain_person):
    logo = replace(plain_person, upper=replace(plain_person.upper, texture="logo"))
    assert changed(plain_person, logo, FRONT) > 100
    assert changed(plain_person, logo, BACK) == 0


def test_backpack_shows_from_behind(plain_person):
    carrier = replace(plain_person, backpack=Item("backpack", (0.8, 0.1, 0.1), (0.1, 0.1, 0.1)))
    behind, side, front = (changed(plain_person, carrier, yaw) for yaw in (BACK, SIDE, FRONT))
    assert behind > 800
    assert side > 400
    assert front < behind / 2  # its straps


@pytest.mark.parametrize("hat", ["cap", "beanie", "brim"])
@pytest.mark.parametrize("yaw", [FRONT, SIDE, BACK])
def test_hats_show_from_all_sides(plain_person, hat, yaw):
    wearer = replace(plain_person, hat=Item(hat, (0.8, 0.1, 0.1), (0.9, 0.9, 0.1)))
    assert changed(plain_person, wearer, yaw) > 100


@pytest.mark.parametrize("texture", ["stripes", "bars", "checks", "dots", "block", "band"])
@pytest.mark.parametrize("yaw", [FRONT, SIDE, BACK])
def test_textures_show_from_all_sides(plain_person, texture, yaw):
    other = replace(plain_person, upper=replace(plain_person.upper, texture=texture))
    assert changed(plain_person, other, yaw) > 100


def test_limbs_move(plain_person):
    assert (portrait(plain_person, SIDE, 0.0) != portrait(plain_person, SIDE, 1.5)).mean() > 0.02
