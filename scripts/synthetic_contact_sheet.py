"""Contact sheet of the synthetic data sets: a row a person, a column a camera, a block a world.

python scripts/synthetic_contact_sheet.py --out docs/synthetic.png
"""

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reid_lit.synthetic.camera import HEIGHT, WIDTH
from reid_lit.synthetic.person import differences
from reid_lit.synthetic.plan import QUERY, PlannedImage
from reid_lit.synthetic.render import draw, person_of
from reid_lit.synthetic.worlds import WORLDS, World

TITLE, CAPTION, GAP = 22, 14, 10
VIEWS = (0.2, math.pi - 0.3, 1.3, -0.5, math.pi + 0.4, -1.5, 0.4, math.pi)
"""Where the person faces, camera by camera."""


def write_text(sheet: NDArray[np.uint8], text: str, x: int, y: int, size: float = 0.36) -> None:
    cv2.putText(sheet, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (40, 40, 40), 1, cv2.LINE_AA)


def rows_of(world: World, persons: int, seed: int) -> list[tuple[int, str]]:
    """A pair of near twins and some others, with captions."""
    traits = ((k, differences(person_of(world, k, seed), person_of(world, k + 1, seed))) for k in range(0, 400, 2))
    one = next(k for k, trait in traits if trait in (("bag",), ("upper",), ("backpack",)))
    item = differences(person_of(world, one, seed), person_of(world, one + 1, seed))[0]
    wanted = (
        lambda person: person.upper.texture == "logo" and person.backpack.kind != "none",
        lambda person: person.hat.kind != "none" and person.lower.kind in ("skirt", "gown"),
        lambda person: person.upper.texture in ("checks", "stripes") and person.bag.kind != "none",
    )
    others = [next(k for k in range(0, 400, 2) if want(person_of(world, k, seed))) for want in wanted[: persons - 2]]
    pair = [(one, f"near twins, another {item}:"), (one + 1, "")]
    return pair + [(k, "") for k in others]


def block(world: World, name: str, persons: int, seed: int) -> NDArray[np.uint8]:
    """One world: its title, its cameras, its persons."""
    rows = rows_of(world, persons, seed)
    sheet = np.full((TITLE + len(rows) * (HEIGHT + CAPTION), WIDTH * len(world.cameras), 3), 255, np.uint8)
    write_text(sheet, f"{name}: cameras 1 to {len(world.cameras)}", 2, 15, 0.48)
    for row, (identity, caption) in enumerate(rows):
        top = TITLE + row * (HEIGHT + CAPTION)
        write_text(sheet, caption, 2, top + 10)
        for camera in range(len(world.cameras)):
            number = 1_000_000 + row * 10 + camera
            yaw = VIEWS[(camera + row // 2 * 3) % len(VIEWS)]
            drawing = PlannedImage(QUERY, "", identity + 1, camera, identity, number, 0, yaw, number)
            at = slice(top + CAPTION, top + CAPTION + HEIGHT), slice(camera * WIDTH, (camera + 1) * WIDTH)
            sheet[at] = draw(world, drawing, seed)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/synthetic.png"))
    parser.add_argument("--persons", type=int, default=4, help="rows, 2 to 5: two near twins and others")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    blocks = [block(world, name, arguments.persons, arguments.seed) for name, world in WORLDS.items()]
    gap = np.full((blocks[0].shape[0], GAP, 3), 255, np.uint8)
    sheet = np.hstack([blocks[0], gap, blocks[1]])
    palette = Image.fromarray(sheet).quantize(256, kmeans=2, dither=Image.Dither.NONE)
    palette.save(arguments.out, optimize=True)
    print(f"{arguments.out}: {sheet.shape[1]} x {sheet.shape[0]}, {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
