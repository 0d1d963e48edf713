"""The world ``campus``: muted paths and halls in autumn."""

from reid_lit.synthetic.camera import Camera, Jitter, Setting
from reid_lit.synthetic.person import Wardrobe
from reid_lit.synthetic.stamp import Light
from reid_lit.synthetic.world import World

_AUTUMN = Wardrobe(
    skins=((0.90, 0.74, 0.64), (0.80, 0.60, 0.46), (0.50, 0.34, 0.24)),
    hair_colours=((0.08, 0.07, 0.07), (0.28, 0.18, 0.11), (0.62, 0.46, 0.26), (0.50, 0.50, 0.52)),
    hair={"short": 4, "bob": 1.2, "long": 2, "bun": 1, "tail": 1.2},
    upper_colours=(
        (0.16, 0.20, 0.38), (0.50, 0.12, 0.20), (0.72, 0.62, 0.46), (0.36, 0.42, 0.20), (0.17, 0.17, 0.19),
        (0.76, 0.77, 0.78), (0.14, 0.44, 0.50), (0.52, 0.28, 0.50),
    ),
    upper={"jacket": 2, "hoodie": 2.5, "coat": 2.5, "jumper": 2.5},
    sleeves=0.0,
    textures={"plain": 4, "checks": 1.8, "band": 1.2, "dots": 0.8, "bars": 1.0, "logo": 0.8},
    lower_colours=(
        (0.13, 0.16, 0.28), (0.18, 0.18, 0.20), (0.50, 0.39, 0.26), (0.50, 0.55, 0.62), (0.32, 0.38, 0.24),
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

_CAMERAS = (
    Camera(
        Setting(
            "asphalt", (0.36, 0.36, 0.37), "bricks", (0.50, 0.27, 0.21), (0.90, 0.90, 0.88),
            horizon=0.36, greenery=4, occluders=("bike", "pole"),
        ),
        Light(0.4, 0.2, 0.5, 0.40),
        pitch=0.26, gains=(0.94, 1.0, 1.08), exposure=0.86, contrast=1.05, saturation=0.95,
        noise=6, resolution=0.75, quality=70,
    ),
    Camera(
        Setting(
            "boards", (0.66, 0.62, 0.54), "lockers", (0.85, 0.84, 0.78), (0.30, 0.44, 0.52),
            horizon=0.45, greenery=0, occluders=("bin", "sign"),
        ),
        Light(0.0, 0.75, 0.3, 0.45),
        pitch=0.34, gains=(1.10, 1.06, 0.78), exposure=0.95, contrast=0.9, saturation=0.90,
        blur=0.9, noise=8, quality=75,
    ),
    Camera(
        Setting(
            "grass", (0.42, 0.44, 0.24), "hedge", (0.46, 0.38, 0.16), (0.5, 0.4, 0.3),
            horizon=0.32, greenery=8, occluders=("plant", "bench", "pole"),
        ),
        Light(-0.65, 0.15, 0.45, 0.34),
        pitch=0.18, gains=(1.10, 0.98, 0.86), exposure=0.9, contrast=1.15, saturation=1.00,
        resolution=0.65, quality=80,
    ),
    Camera(
        Setting(
            "tiles", (0.56, 0.58, 0.60), "glass", (0.55, 0.62, 0.64), (0.22, 0.24, 0.26),
            horizon=0.42, greenery=1, occluders=("pole", "plant"),
        ),
        Light(0.2, 0.4, 0.6, 0.55),
        pitch=0.14, gains=(0.88, 1.0, 1.16), exposure=1.18, contrast=0.85, saturation=0.85,
        noise=4, quality=88,
    ),
    Camera(
        Setting(
            "asphalt", (0.26, 0.27, 0.30), "bricks", (0.30, 0.28, 0.30), (0.75, 0.68, 0.40),
            horizon=0.40, greenery=2, occluders=("bike", "bin"),
        ),
        Light(0.5, 0.5, 0.25, 0.30),
        pitch=0.24, gains=(1.12, 0.95, 0.80), exposure=0.88, contrast=1.05, saturation=0.80,
        blur=0.8, noise=11, resolution=0.7, quality=65,
    ),
    Camera(
        Setting(
            "cobbles", (0.48, 0.47, 0.46), "arches", (0.60, 0.58, 0.54), (0.24, 0.24, 0.26),
            horizon=0.38, greenery=0, occluders=("bench", "pole"),
        ),
        Light(-0.3, 0.5, 0.4, 0.45),
        pitch=0.20, gains=(0.98, 1.02, 1.0), exposure=0.95, contrast=1.0, saturation=0.80,
        noise=5, resolution=0.6, quality=78,
    ),
    Camera(
        Setting(
            "boards", (0.42, 0.30, 0.22), "lockers", (0.64, 0.58, 0.50), (0.46, 0.30, 0.20),
            horizon=0.46, greenery=0, occluders=("plant", "bin"),
        ),
        Light(-0.2, 0.7, 0.3, 0.42),
        pitch=0.30, gains=(1.12, 0.98, 0.82), exposure=0.92, contrast=1.1, saturation=0.95,
        blur=0.7, noise=7, quality=72,
    ),
    Camera(
        Setting(
            "grass", (0.34, 0.42, 0.28), "bricks", (0.58, 0.42, 0.32), (0.30, 0.34, 0.30),
            horizon=0.34, greenery=5, occluders=("bench", "bike"),
        ),
        Light(0.6, 0.1, 0.45, 0.45),
        pitch=0.16, gains=(0.96, 1.04, 0.98), exposure=1.04, contrast=0.95, saturation=1.00,
        noise=5, resolution=0.8, quality=84,
    ),
)  # fmt: skip


CAMPUS = World(
    number=2, wardrobe=_AUTUMN, cameras=_CAMERAS, jitter=Jitter(exposure=0.12, balance=0.04, contrast=0.06), twins=0.2
)
