"""WARD: 70 persons seen by three cameras, without an official split.

Source: Martinel and Micheloni, "Re-identify people in wide area camera network", CVPR Workshops 2012. 4,786 images in
one folder. Whether the licence of the authors' repository covers the people's images is unclear: do not pass them on.
"""

import os
import re
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.splits import draw_persons, part, query_and_gallery
from reid_lit.records import Shot, Split

PATTERN = re.compile(r"^(?P<person>\d{4})(?P<camera>\d{4})(?P<frame>\d{4})\.png$", re.ASCII)
EXAMPLE = "000100010001.png"


def read(root: Path, *, split_seed: int = 0) -> Split:
    """The images of ``root`` (or of ``root/WARD``), half of the persons for training.

    The first half of a permutation of the persons by ``split_seed`` trains (of an odd number, the smaller half); of the
    others, the first image of each person and camera by name is a query and the rest is the gallery.

    Raises:
        FileNotFoundError: no ``*.png`` is there.
        ValueError: a ``*.png`` is not named like WARD, or there are fewer than two persons.
    """
    shots = _shots(root / "WARD" if (root / "WARD").is_dir() else root)
    persons = {shot.person_id for shot in shots}
    if len(persons) < 2:
        raise ValueError(f"WARD: {len(persons)} person in {root.resolve()}; a split needs two or more")
    train, test = part(shots, draw_persons(persons, len(persons) // 2, seed=split_seed))
    query, gallery = query_and_gallery(test)
    note = f"no official split: {len(persons) // 2} of {len(persons)} persons train, drawn by split_seed={split_seed}"
    return Split(name="ward", train=train, query=query, gallery=gallery, notes=(note,))


def _shots(folder: Path) -> tuple[Shot, ...]:
    names = sorted(name for name in _listed(folder) if name.lower().endswith(".png") and not name.startswith("."))
    if not names:
        raise FileNotFoundError(
            f"WARD: no *.png in {folder.resolve()}; the folder must hold the images themselves ({EXAMPLE}: person,"
            f" camera, frame); point dataset.root or $REID_DATA at it, or run dataset=synthetic, which needs no"
            f" download"
        )
    matches = [(name, PATTERN.match(name)) for name in names]
    bad = [name for name, match in matches if match is None or match["camera"] == "0000"]
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(names)} *.png in {folder.resolve()} are not named like WARD ({EXAMPLE}):"
            f" {', '.join(bad[:3])}; rename or remove them"
        )
    return tuple(
        Shot(path=folder / name, person_id=int(match["person"]), camera_id=int(match["camera"]) - 1)
        for name, match in matches
        if match is not None
    )


def _listed(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - names, not paths


class Ward(ReidData):
    """WARD, read from a copy that the user places."""

    name = "ward"

    @override
    def read(self) -> Split:
        return read(self.root, split_seed=self.split_seed)
