"""WARD: 70 persons seen by three cameras, without an official split.

Source: Martinel and Micheloni, "Re-identify people in wide area camera network", CVPR Workshops 2012. 4,786 images in
one folder. Whether the licence of the authors' repository covers the people's images is unclear: do not pass them on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.problems import LISTS, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, shots_in
from reid_lit.data.splits import draw_persons, part, query_and_gallery, train_on_all
from reid_lit.files.access import is_dir
from reid_lit.records import Rules, Shot, Split

NAMING = Naming(
    title="WARD",
    pattern=re.compile(r"^(?P<person>\d{4})(?P<camera>(?!0000)\d{4})\d{4}\.png$", re.ASCII),
    example="000100010001.png",
    extensions=(".png",),
    layout="the images themselves, 000100010001.png (person, camera, frame)",
    folders=("WARD",),
)
CAMERA_PAIRS = ((1, 2), (1, 3))
SAMPLE = Sample(
    images={
        f"{person:04}{camera:04}{frame:04}.png": (person, camera - 1)
        for person in (1, 2, 3)
        for camera in (1, 2, 3)
        for frame in (1, 2)
    }
)


def read(
    root: Path, *, split_id: int = 0, camera_pairs: bool = False, train_on: str = "split", report: Report = stop
) -> Split:
    """The images of ``root`` (or of ``root/WARD``), half of the persons for training.

    A person under a camera is a track.

    The first half of a permutation of the persons by ``split_id`` trains (of an odd number, the smaller half); of the
    others, the first image of each person and camera by name is a query and the rest is the gallery. By camera pairs
    there are two tests: the first image of each person in camera 1 against all images of camera 2, and of 3.

    Args:
        root: The folder.
        split_id: Which half trains: the seed of the permutation.
        camera_pairs: Test by camera pairs.
        train_on: ``split``, or ``all`` to train on every person, with nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, or no ``*.png`` in it.
        ValueError: a ``*.png`` is not named like WARD, all show one person, or ``train_on`` is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    shots = shots_in(root / "WARD" if is_dir(root / "WARD") else root, NAMING, report)
    tracks = sorted({(shot.person_id, shot.camera_id) for shot in shots})
    number = {track: place for place, track in enumerate(tracks)}
    shots = tuple(replace(shot, track_id=number[shot.person_id, shot.camera_id]) for shot in shots)
    persons = {shot.person_id for shot in shots}
    if len(persons) == 1:
        fact = f"WARD: 1 person in {root.resolve()}"
        raise Problem(kind=LISTS, place=root, fact=fact, cure="a split needs two or more").error()
    if train_on == "all":
        return train_on_all(Split(name="ward", train=shots, query=(), gallery=()))
    train, test = part(shots, draw_persons(persons, len(persons) // 2, seed=split_id))
    query, gallery = query_and_gallery(test)
    note = f"no official split: {len(persons) // 2} of {len(persons)} persons train, drawn by split_id={split_id}"
    if not camera_pairs:
        return Split(name="ward", train=train, query=query, gallery=gallery, notes=(note,))
    tests = tuple(_pair(test, query, first, second) for first, second in CAMERA_PAIRS)
    return Split(name="ward", train=train, query=(), gallery=(), notes=(note,), tests=tests)


def _pair(test: Sequence[Shot], firsts: Sequence[Shot], one: int, other: int) -> Split:
    """The test from camera ``one`` to camera ``other``, both counted from 1 as in file names."""
    return Split(
        name=f"ward_c{one}_c{other}",
        train=(),
        query=tuple(shot for shot in firsts if shot.camera_id == one - 1),
        gallery=tuple(shot for shot in test if shot.camera_id == other - 1),
        notes=(f"queries: the first image of each person in camera {one}; gallery: all images of camera {other}",),
        rules=Rules(name="ward_camera_pairs"),
    )


@dataclass(kw_only=True, eq=False, repr=False)
class Ward(ReidData):
    """WARD, read from a copy that the user places.

    Args:
        split_id: Which half of the persons trains.
        camera_pairs: Test camera 1 against 2 and against 3, instead of all cameras together.
        train_on: ``split`` trains on that half, ``all`` on all persons, with nothing to test.
    """

    split_id: int = 0
    camera_pairs: bool = False
    train_on: str = "split"

    SPLITS: ClassVar[int] = 10

    @override
    def read(self, report: Report = stop) -> Split:
        return read(
            self.root,
            split_id=self.split_id,
            camera_pairs=self.camera_pairs,
            train_on=self.train_on,
            report=report,
        )

    @override
    def parts(self) -> dict[str, Path]:
        return {"WARD": self.root / "WARD"} if is_dir(self.root / "WARD") else {"": self.root}

    @override
    def sample(self) -> Sample:
        return SAMPLE
