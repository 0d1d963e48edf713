"""All worlds, by name."""

from reid_lit.errors import InputError
from reid_lit.synthetic.campus import CAMPUS
from reid_lit.synthetic.plaza import PLAZA
from reid_lit.synthetic.world import World

WORLDS = {"plaza": PLAZA, "campus": CAMPUS}


def world(name: str) -> World:
    """The world of that name.

    Raises:
        ValueError: there is no such world.
    """
    if name not in WORLDS:
        raise InputError(f"world={name!r}: unknown; choose one of {', '.join(WORLDS)}")
    return WORLDS[name]
