"""The two worlds: ``plaza``, bright streets in summer, and ``campus``, muted paths and halls in autumn."""

from dataclasses import dataclass

from reid_lit.synthetic.camera import Camera, Jitter, Setting
from reid_lit.synthetic.person import Wardrobe
from reid_lit.synthetic.stamp import Light


@dataclass(frozen=True, slots=True)
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


def world(name: str) -> World:
    """The world of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in WORLDS:
        raise ValueError(f"world={name!r} is unknown; choose one of {', '.join(WORLDS)}")
    return WORLDS[name]


_SUMMER = Wardrobe(
    skins=((0.93, 0.76, 0.65), (0.82, 0.62, 0.48), (0.55, 0.38, 0.27), (0.38, 0.25, 0.18)),
    hair_colours=((0.10, 0.08, 0.07), (0.34, 0.22, 0.13), (0.78, 0.62, 0.36)),
    hair={"short": 4, "bald": 0.6, "bob": 1, "long": 2, "bun": 1, "tail": 1, "afro": 0.8},
    upper_colours=(
        (0.80, 0.12, 0.14), (0.14, 0.32, 0.72), (0.93, 0.91, 0.88), (0.10, 0.10, 0.12),
        (0.93, 0.76, 0.16), (0.16, 0.52, 0.30), (0.55, 0.57, 0.60),
    ),
    upper={"shirt": 5, "vest": 1.5, "jumper": 1, "jacket": 1},
    sleeves=0.75,
    textures={"plain": 3, "logo": 1.6, "stripes": 1.4, "block": 1, "checks": 0.8, "bars": 0.6},
    lower_colours=(
        (0.17, 0.25, 0.44), (0.11, 0.11, 0.13), (0.76, 0.68, 0.54), (0.88, 0.87, 0.85),
        (0.48, 0.62, 0.80), (0.60, 0.16, 0.18),
    ),
    lower={"trousers": 4, "shorts": 3, "skirt": 1.6, "gown": 0.8},
    lower_textures={"plain": 4, "band": 0.8, "stripes": 0.4},
    shoe_colours=((0.92, 0.92, 0.92), (0.10, 0.10, 0.10), (0.70, 0.18, 0.16), (0.45, 0.30, 0.18)),
    shoes={"shoes": 1},
    carry_colours=((0.75, 0.15, 0.18), (0.12, 0.12, 0.14), (0.55, 0.38, 0.22), (0.20, 0.42, 0.75), (0.90, 0.85, 0.75)),
    bag={"none": 5, "shoulder": 2, "hand": 2},
    backpack={"none": 7, "backpack": 3},
    hat={"none": 6, "cap": 2, "brim": 1},
)  # fmt: skip

_AUTUMN = Wardrobe(
    skins=((0.90, 0.74, 0.64), (0.80, 0.60, 0.46), (0.50, 0.34, 0.24)),
    hair_colours=((0.08, 0.07, 0.07), (0.28, 0.18, 0.11), (0.62, 0.46, 0.26), (0.50, 0.50, 0.52)),
    hair={"short": 4, "bob": 1.2, "long": 2, "bun": 1, "tail": 1.2},
    upper_colours=(
        (0.15, 0.18, 0.30), (0.42, 0.12, 0.20), (0.66, 0.58, 0.46), (0.33, 0.36, 0.22), (0.20, 0.21, 0.23),
        (0.70, 0.71, 0.72), (0.16, 0.38, 0.42), (0.48, 0.30, 0.46),
    ),
    upper={"jacket": 2, "hoodie": 2.5, "coat": 2.5, "jumper": 2.5},
    sleeves=0.0,
    textures={"plain": 4, "checks": 1.8, "band": 1.2, "dots": 0.8, "bars": 1.0, "logo": 0.8},
    lower_colours=(
        (0.13, 0.15, 0.22), (0.22, 0.22, 0.24), (0.40, 0.33, 0.26), (0.42, 0.46, 0.52), (0.30, 0.33, 0.26),
    ),
    lower={"trousers": 7, "skirt": 1.2, "gown": 0.8},
    lower_textures={"plain": 5, "checks": 1, "band": 0.6},
    shoe_colours=((0.12, 0.11, 0.11), (0.40, 0.27, 0.17), (0.75, 0.74, 0.72), (0.50, 0.14, 0.16)),
    shoes={"shoes": 2, "boots": 1.2},
    carry_colours=((0.20, 0.25, 0.20), (0.16, 0.16, 0.18), (0.46, 0.33, 0.22), (0.55, 0.20, 0.22), (0.25, 0.33, 0.50)),
    bag={"none": 6, "shoulder": 3, "hand": 1},
    backpack={"none": 5, "backpack": 5},
    hat={"none": 6, "beanie": 3, "cap": 1},
)  # fmt: skip

_PLAZA_CAMERAS = (
    Camera(
        Setting("tiles", (0.72, 0.68, 0.62), "shops", (0.76, 0.66, 0.56), (0.75, 0.22, 0.18), 0.40, 2, ("pole", "plant", "sign")),
        Light(0.55, 0.35, 0.55, 0.42), 0.10, (1.06, 1.0, 0.92), 1.02, quality=90,
    ),
    Camera(
        Setting("cobbles", (0.58, 0.55, 0.52), "arches", (0.80, 0.72, 0.58), (0.34, 0.28, 0.24), 0.42, 0, ("pole", "bin")),
        Light(-0.35, 0.25, 0.45, 0.40), 0.16, (0.90, 0.98, 1.14), 0.82, 1.05, 0.95, noise=6, quality=75,
    ),
    Camera(
        Setting("asphalt", (0.42, 0.43, 0.45), "glass", (0.50, 0.60, 0.70), (0.28, 0.30, 0.34), 0.36, 3, ("bike", "pole", "sign")),
        Light(0.15, 0.5, 0.55, 0.5), 0.22, (1.0, 1.0, 1.0), 1.12, 0.9, 0.88, resolution=0.7, quality=82,
    ),
    Camera(
        Setting("grass", (0.36, 0.52, 0.25), "hedge", (0.30, 0.46, 0.22), (0.5, 0.4, 0.3), 0.34, 6, ("plant", "bench")),
        Light(-0.6, 0.3, 0.5, 0.40), 0.12, (0.96, 1.06, 0.92), 0.98, 1.1, 1.08, blur=0.7, quality=85,
    ),
    Camera(
        Setting("tiles", (0.60, 0.62, 0.66), "bricks", (0.62, 0.34, 0.26), (0.88, 0.88, 0.84), 0.44, 1, ("bike", "bin", "bench")),
        Light(0.3, 0.2, 0.65, 0.45), 0.08, (1.14, 0.98, 0.84), 0.95, 1.0, 1.0, noise=5, resolution=0.8, quality=70,
    ),
    Camera(
        Setting("boards", (0.60, 0.47, 0.34), "shops", (0.55, 0.58, 0.62), (0.18, 0.42, 0.55), 0.38, 0, ("plant", "sign")),
        Light(-0.1, 0.6, 0.4, 0.45), 0.20, (1.04, 0.96, 1.02), 0.86, 0.95, 0.92, blur=0.8, noise=7, quality=80,
    ),
)  # fmt: skip

_CAMPUS_CAMERAS = (
    Camera(
        Setting("asphalt", (0.36, 0.36, 0.37), "bricks", (0.50, 0.27, 0.21), (0.90, 0.90, 0.88), 0.36, 4, ("bike", "pole")),
        Light(0.4, 0.2, 0.5, 0.40), 0.26, (0.94, 1.0, 1.08), 0.86, 1.05, 0.85, noise=6, resolution=0.75, quality=70,
    ),
    Camera(
        Setting("boards", (0.66, 0.62, 0.54), "lockers", (0.85, 0.84, 0.78), (0.30, 0.44, 0.52), 0.45, 0, ("bin", "sign")),
        Light(0.0, 0.75, 0.3, 0.45), 0.34, (1.10, 1.06, 0.78), 0.95, 0.9, 0.8, blur=0.9, noise=8, quality=75,
    ),
    Camera(
        Setting("grass", (0.42, 0.44, 0.24), "hedge", (0.46, 0.38, 0.16), (0.5, 0.4, 0.3), 0.32, 8, ("plant", "bench", "pole")),
        Light(-0.65, 0.15, 0.45, 0.34), 0.18, (1.10, 0.98, 0.86), 0.9, 1.15, 0.95, resolution=0.65, quality=80,
    ),
    Camera(
        Setting("tiles", (0.56, 0.58, 0.60), "glass", (0.55, 0.62, 0.64), (0.22, 0.24, 0.26), 0.42, 1, ("pole", "plant")),
        Light(0.2, 0.4, 0.6, 0.55), 0.14, (0.88, 1.0, 1.16), 1.18, 0.85, 0.75, noise=4, quality=88,
    ),
    Camera(
        Setting("asphalt", (0.26, 0.27, 0.30), "bricks", (0.30, 0.28, 0.30), (0.75, 0.68, 0.40), 0.40, 2, ("bike", "bin")),
        Light(0.5, 0.5, 0.25, 0.30), 0.24, (1.16, 0.94, 0.76), 0.72, 1.05, 0.7, blur=0.8, noise=11, resolution=0.7, quality=65,
    ),
    Camera(
        Setting("cobbles", (0.48, 0.47, 0.46), "arches", (0.60, 0.58, 0.54), (0.24, 0.24, 0.26), 0.38, 0, ("bench", "pole")),
        Light(-0.3, 0.5, 0.4, 0.45), 0.20, (0.98, 1.02, 1.0), 0.84, 1.0, 0.7, noise=5, resolution=0.6, quality=78,
    ),
    Camera(
        Setting("boards", (0.42, 0.30, 0.22), "lockers", (0.64, 0.58, 0.50), (0.46, 0.30, 0.20), 0.46, 0, ("plant", "bin")),
        Light(-0.2, 0.7, 0.3, 0.42), 0.30, (1.12, 0.98, 0.82), 0.92, 1.1, 0.85, blur=0.7, noise=7, quality=72,
    ),
    Camera(
        Setting("grass", (0.34, 0.42, 0.28), "bricks", (0.58, 0.42, 0.32), (0.30, 0.34, 0.30), 0.34, 5, ("bench", "bike")),
        Light(0.6, 0.1, 0.45, 0.45), 0.16, (0.96, 1.04, 0.98), 1.04, 0.95, 0.9, noise=5, resolution=0.8, quality=84,
    ),
)  # fmt: skip

WORLDS = {
    "plaza": World(1, _SUMMER, _PLAZA_CAMERAS, Jitter(), twins=0.35),
    "campus": World(2, _AUTUMN, _CAMPUS_CAMERAS, Jitter(0.16, 0.05, 0.08), twins=0.35),
}
