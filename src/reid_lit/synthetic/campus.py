"""The world ``campus``: paths and halls in the low sun and mist of autumn, with cameras higher up."""

from reid_lit.synthetic.camera import Camera, Jitter, Setting
from reid_lit.synthetic.person import Wardrobe
from reid_lit.synthetic.stamp import Light
from reid_lit.synthetic.world import World

_AUTUMN = Wardrobe(
    skins=((0.90, 0.74, 0.64), (0.80, 0.60, 0.46), (0.50, 0.34, 0.24)),
    hair_colours=((0.08, 0.07, 0.07), (0.28, 0.18, 0.11), (0.62, 0.46, 0.26), (0.50, 0.50, 0.52)),
    hair={"short": 4, "bob": 1.2, "long": 2, "bun": 1, "tail": 1.2},
    upper_colours=(
        (0.18, 0.24, 0.50), (0.60, 0.13, 0.22), (0.80, 0.68, 0.46), (0.42, 0.50, 0.18), (0.13, 0.13, 0.15),
        (0.80, 0.81, 0.82), (0.12, 0.52, 0.56), (0.60, 0.30, 0.58), (0.86, 0.46, 0.14),
    ),
    upper={"jacket": 1, "hoodie": 3, "coat": 2, "jumper": 3.5},
    sleeves=0.0,
    textures={"plain": 4, "checks": 1.8, "band": 1.2, "dots": 0.8, "bars": 1.0, "logo": 0.8},
    lower_colours=(
        (0.14, 0.18, 0.34), (0.15, 0.15, 0.17), (0.56, 0.42, 0.26), (0.56, 0.62, 0.72), (0.34, 0.42, 0.22),
        (0.78, 0.76, 0.72),
    ),
    lower={"trousers": 7, "skirt": 1.2, "gown": 0.8},
    lower_textures={"plain": 5, "checks": 1, "band": 0.6},
    shoe_colours=((0.12, 0.11, 0.11), (0.40, 0.27, 0.17), (0.75, 0.74, 0.72), (0.50, 0.14, 0.16)),
    shoes={"shoes": 2, "boots": 1.2},
    carry_colours=((0.20, 0.25, 0.20), (0.16, 0.16, 0.18), (0.46, 0.33, 0.22), (0.55, 0.20, 0.22), (0.25, 0.33, 0.50)),
    bag={"none": 6, "shoulder": 3, "hand": 1},
    backpack={"none": 3, "backpack": 1},
    hat={"none": 6, "beanie": 3, "cap": 1},
)  # fmt: skip

_CAMERAS = (
    Camera(
        Setting(
            "asphalt", (0.36, 0.36, 0.37), "bricks", (0.50, 0.27, 0.21), (0.90, 0.90, 0.88),
            horizon=0.36, greenery=4, occluders=("bike", "pole"),
        ),
        Light(0.40, 0.20, 0.50, 0.42),
        pitch=0.35, gains=(1.06, 1.00, 0.78), exposure=0.95, contrast=1.03, saturation=0.90, haze=0.26,
        noise=4, resolution=0.87, quality=70,
    ),
    Camera(
        Setting(
            "boards", (0.66, 0.62, 0.54), "lockers", (0.85, 0.84, 0.78), (0.30, 0.44, 0.52),
            horizon=0.45, greenery=0, occluders=("bin", "sign"),
        ),
        Light(0.00, 0.75, 0.42, 0.45),
        pitch=0.41, gains=(1.17, 1.04, 0.64), exposure=0.98, contrast=0.94, saturation=0.90, haze=0.22,
        blur=0.50, noise=4, quality=75,
    ),
    Camera(
        Setting(
            "grass", (0.42, 0.44, 0.24), "hedge", (0.46, 0.38, 0.16), (0.5, 0.4, 0.3),
            horizon=0.32, greenery=8, occluders=("plant", "bench", "pole"),
        ),
        Light(-0.65, 0.15, 0.45, 0.42),
        pitch=0.28, gains=(1.17, 0.99, 0.68), exposure=0.96, contrast=1.09, saturation=0.90, haze=0.30,
        resolution=0.85, quality=80,
    ),
    Camera(
        Setting(
            "tiles", (0.56, 0.58, 0.60), "glass", (0.55, 0.62, 0.64), (0.22, 0.24, 0.26),
            horizon=0.42, greenery=1, occluders=("pole", "plant"),
        ),
        Light(0.20, 0.40, 0.60, 0.55),
        pitch=0.25, gains=(1.02, 1.00, 0.81), exposure=1.06, contrast=0.91, saturation=0.85, haze=0.28,
        noise=3, quality=88,
    ),
    Camera(
        Setting(
            "asphalt", (0.26, 0.27, 0.30), "bricks", (0.30, 0.28, 0.30), (0.75, 0.68, 0.40),
            horizon=0.40, greenery=2, occluders=("bike", "bin"),
        ),
        Light(0.50, 0.50, 0.42, 0.42),
        pitch=0.33, gains=(1.18, 0.97, 0.65), exposure=0.96, contrast=1.03, saturation=0.81, haze=0.20,
        blur=0.50, noise=4, resolution=0.86, quality=65,
    ),
    Camera(
        Setting(
            "cobbles", (0.48, 0.47, 0.46), "arches", (0.60, 0.58, 0.54), (0.24, 0.24, 0.26),
            horizon=0.38, greenery=0, occluders=("bench", "pole"),
        ),
        Light(-0.30, 0.50, 0.42, 0.45),
        pitch=0.30, gains=(1.09, 1.01, 0.74), exposure=0.98, contrast=1.00, saturation=0.81, haze=0.26,
        noise=3, resolution=0.83, quality=78,
    ),
    Camera(
        Setting(
            "boards", (0.42, 0.30, 0.22), "lockers", (0.64, 0.58, 0.50), (0.46, 0.30, 0.20),
            horizon=0.46, greenery=0, occluders=("plant", "bin"),
        ),
        Light(-0.20, 0.70, 0.42, 0.42),
        pitch=0.38, gains=(1.18, 0.99, 0.66), exposure=0.97, contrast=1.06, saturation=0.90, haze=0.22,
        blur=0.40, noise=4, quality=72,
    ),
    Camera(
        Setting(
            "grass", (0.34, 0.42, 0.28), "bricks", (0.58, 0.42, 0.32), (0.30, 0.34, 0.30),
            horizon=0.34, greenery=5, occluders=("bench", "bike"),
        ),
        Light(0.60, 0.10, 0.45, 0.45),
        pitch=0.27, gains=(1.08, 1.02, 0.73), exposure=1.01, contrast=0.97, saturation=0.90, haze=0.30,
        noise=3, resolution=0.89, quality=84,
    ),
)  # fmt: skip


CAMPUS = World(
    number=2, wardrobe=_AUTUMN, cameras=_CAMERAS, jitter=Jitter(exposure=0.10, balance=0.03, contrast=0.05), twins=0.1
)
