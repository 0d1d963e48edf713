"""What makes a world."""

from dataclasses import dataclass

from reid_lit.synthetic.camera import Camera, Jitter
from reid_lit.synthetic.person import Wardrobe


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A set of cameras and what the people before them wear.

    Attributes:
        number: Tells the random numbers of worlds apart.
        wardrobe: What people wear.
        cameras: The cameras, in the order of their numbers.
        jitter: How much pictures of one camera vary.
        twins: Share of people who are somebody's near twin.
    """

    number: int
    wardrobe: Wardrobe
    cameras: tuple[Camera, ...]
    jitter: Jitter
    twins: float
