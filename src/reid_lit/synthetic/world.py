"""A world: cameras and a wardrobe."""

from dataclasses import dataclass

from reid_lit.synthetic.camera import Camera, Jitter
from reid_lit.synthetic.person import Wardrobe


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A set of cameras, and the clothes of the people in front of them.

    Attributes:
        number: Part of the seed, so that worlds have different random numbers.
        wardrobe: The clothes of people.
        cameras: The cameras, in the order of their numbers.
        jitter: The variation of pictures by one camera.
        twins: Probability that a person of odd number is the near twin of the person before.
    """

    number: int
    wardrobe: Wardrobe
    cameras: tuple[Camera, ...]
    jitter: Jitter
    twins: float
