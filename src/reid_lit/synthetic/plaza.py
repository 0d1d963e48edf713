"""The world ``plaza``: bright streets in summer."""

from reid_lit.synthetic.camera import Camera, Jitter, Setting
from reid_lit.synthetic.person import Wardrobe
from reid_lit.synthetic.stamp import Light
from reid_lit.synthetic.world import World

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

_CAMERAS = (
    Camera(
        Setting(
            "tiles", (0.72, 0.68, 0.62), "shops", (0.76, 0.66, 0.56), (0.75, 0.22, 0.18),
            horizon=0.40, greenery=2, occluders=("pole", "plant", "sign"),
        ),
        Light(0.55, 0.35, 0.55, 0.42),
        pitch=0.10, gains=(1.04, 1.00, 0.95), exposure=1.01,
        quality=90,
    ),
    Camera(
        Setting(
            "cobbles", (0.58, 0.55, 0.52), "arches", (0.80, 0.72, 0.58), (0.34, 0.28, 0.24),
            horizon=0.42, greenery=0, occluders=("pole", "bin"),
        ),
        Light(-0.35, 0.25, 0.45, 0.40),
        pitch=0.16, gains=(0.94, 0.99, 1.09), exposure=0.88, contrast=1.05, saturation=0.95,
        noise=4, quality=75,
    ),
    Camera(
        Setting(
            "asphalt", (0.42, 0.43, 0.45), "glass", (0.50, 0.60, 0.70), (0.28, 0.30, 0.34),
            horizon=0.36, greenery=3, occluders=("bike", "pole", "sign"),
        ),
        Light(0.15, 0.5, 0.55, 0.5),
        pitch=0.22, gains=(1.00, 1.00, 1.00), exposure=1.08, contrast=0.9, saturation=0.88,
        resolution=0.78, quality=82,
    ),
    Camera(
        Setting(
            "grass", (0.36, 0.52, 0.25), "hedge", (0.30, 0.46, 0.22), (0.5, 0.4, 0.3),
            horizon=0.34, greenery=6, occluders=("plant", "bench"),
        ),
        Light(-0.6, 0.3, 0.5, 0.40),
        pitch=0.12, gains=(0.97, 1.04, 0.95), exposure=0.99, contrast=1.1, saturation=1.08,
        blur=0.50, quality=85,
    ),
    Camera(
        Setting(
            "tiles", (0.60, 0.62, 0.66), "bricks", (0.62, 0.34, 0.26), (0.88, 0.88, 0.84),
            horizon=0.44, greenery=1, occluders=("bike", "bin", "bench"),
        ),
        Light(0.3, 0.2, 0.65, 0.45),
        pitch=0.08, gains=(1.09, 0.99, 0.90), exposure=0.97, contrast=1.0, saturation=1.0,
        noise=4, resolution=0.84, quality=70,
    ),
    Camera(
        Setting(
            "boards", (0.60, 0.47, 0.34), "shops", (0.55, 0.58, 0.62), (0.18, 0.42, 0.55),
            horizon=0.38, greenery=0, occluders=("plant", "sign"),
        ),
        Light(-0.1, 0.6, 0.4, 0.45),
        pitch=0.20, gains=(1.03, 0.97, 1.01), exposure=0.91, contrast=0.95, saturation=0.92,
        blur=0.60, noise=5, quality=80,
    ),
)  # fmt: skip


PLAZA = World(
    number=1, wardrobe=_SUMMER, cameras=_CAMERAS, jitter=Jitter(exposure=0.10, balance=0.035, contrast=0.05), twins=0.2
)
