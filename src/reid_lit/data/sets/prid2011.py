"""PRID2011, single shot: 200 persons seen by two cameras above a street, 549 more by the second one alone.

Source: Hirzer et al., "Person Re-identification by Descriptive and Discriminative Classification", SCIA 2011. View A
shows 385 persons and view B 749; the first 200 of both are the same ones. Whoever is numbered higher is another person
in each view, so those of A are not read.

Protocol of the generalisation papers (P-1): a half of the 200 trains; of the other 100, view A is searched in view B
with all its 549 strangers as distractors, 649 images. The authors fixed no halves: ten are stored here.

Layout checked in the code of torchreid (KaiyangZhou/deep-person-reid, ``image/prid.py``) and light-reid
(wangguanan/light-reid, ``datasets/prid.py``, which quotes the authors' notes); never tried on a real copy.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice
from reid_lit.data.sets.single_shot import CAMERAS, paired, shots_by_person
from reid_lit.data.sets.stored_splits import SPLITS, stored_split
from reid_lit.data.splits import draw_persons, part, train_on_all
from reid_lit.records import Rules, Split

NAMING = Naming(
    title="PRID2011",
    pattern=re.compile(r"^person_(?P<person>\d{4})\.png$", re.ASCII),
    example="person_0001.png",
    extensions=(".png",),
    layout="single_shot/cam_a/person_0001.png, single_shot/cam_b/person_0001.png",
    folders=("prid_2011", "prid2011/prid_2011", "prid2011", "PRID2011"),
)
PLACE = "single_shot"
SHARED = 200
"""Persons 1 … 200 are in both views; a higher number is a person of one view."""


def draw_splits() -> list[list[int]]:
    """The ten training halves of the persons 1 … 200; ``prid2011_splits.json`` holds what it gives."""
    return [sorted(draw_persons(range(1, SHARED + 1), SHARED // 2, seed=split)) for split in range(SPLITS)]


def read(root: Path, *, split_id: int = 0, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: PRID2011's folder, which holds ``single_shot/``, or the folder that holds it.

    Args:
        root: The folder.
        split_id: Which of the ten stored halves of the persons trains, 0 … 9.
        train_on: ``split`` trains on a half and tests on the other; ``all`` trains on the 200 persons of both views and
            leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like PRID2011, one of the 200 persons is in one view only, or an option is
            unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    half, note = stored_split("prid2011", split_id)
    folder = NAMING.locate(root, PLACE) / PLACE
    cameras = [shots_by_person(folder / name, camera, NAMING, report) for camera, name in enumerate(CAMERAS)]
    shared = [{person: shot for person, shot in shots.items() if person <= SHARED} for shots in cameras]
    train, test = part(paired(folder, shared, NAMING, report), frozenset(half))
    strangers = tuple(shot for person, shot in sorted(cameras[1].items()) if person > SHARED)
    split = Split(
        name="prid2011",
        train=train,
        query=tuple(shot for shot in test if shot.camera_id == 0),
        gallery=(*(shot for shot in test if shot.camera_id == 1), *strangers),
        notes=(
            note,
            f"gallery: {len(strangers)} persons of view B alone are distractors; those of view A are not read",
        ),
        rules=Rules(name="prid2011_10_splits"),
    )
    return split if train_on == "split" else train_on_all(split, distractors={shot.person_id for shot in strangers})


def sample() -> Sample:
    """Four of the 200 persons, two of whom train in the first split, and two strangers."""
    half, _ = stored_split("prid2011", 0)
    persons = [*half[:2], *sorted({*range(1, SHARED + 1)} - {*half})[:2]]
    images = {f"{PLACE}/{name}/person_{p:04}.png": (p, c) for p in persons for c, name in enumerate(CAMERAS)}
    return Sample(images=images | {f"{PLACE}/cam_b/person_{p:04}.png": (p, 1) for p in (201, 749)})


@dataclass(kw_only=True, eq=False, repr=False)
class Prid2011(ReidData):
    """PRID2011 (single shot), read from a copy that the user places.

    Args:
        split_id: Which of the ten stored halves of the persons trains.
        train_on: ``split`` trains on that half, ``all`` on the 200 persons of both views, with nothing to test.
    """

    split_id: int = 0
    train_on: str = "split"

    SPLITS: ClassVar[int] = SPLITS

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, split_id=self.split_id, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = NAMING.locate(self.root, PLACE) / PLACE
        return {folder.relative_to(self.root).as_posix(): folder}

    @override
    def official(self) -> dict[str, Count]:
        if self.train_on == "all":
            return {"train": Count(images=2 * SHARED, persons=SHARED, cameras=2, junk=0)}
        half = SHARED // 2
        return {
            "train": Count(images=2 * half, persons=half, cameras=2, junk=0),
            "query": Count(images=half, persons=half, cameras=1, junk=0),
            "gallery": Count(images=half + 549, persons=half + 549, cameras=1, junk=0),
        }

    @override
    def sample(self) -> Sample:
        return sample()
