"""CAVIAR4REID: 72 persons in a shopping centre, 50 of them seen by both of two cameras, from 17 to 72 pixels wide.

Source: Cheng et al., "Custom Pictorial Structures for Re-identification", BMVC 2011; 1,220 images, ten of a person and
camera. The 50 persons of both cameras are tested, camera 1 against camera 2; the 22 others train.

Layout checked in the code of FastReID (JDAI-CV/fast-reid, ``datasets/caviara.py``: one folder, person in the first four
digits) and of a loader of ``CAVIARa`` that reads images 001 … 010 of all 72 persons. Neither reads the camera: that 001
… 010 are camera 1 and 011 … 020 camera 2 agrees with the counts, and is all we know. Never tried on a real copy.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import LISTS, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, named_images
from reid_lit.data.splits import part, train_on_all
from reid_lit.files.access import entries, is_dir
from reid_lit.records import Rules, Shot, Split

NAMING = Naming(
    title="CAVIAR4REID",
    pattern=re.compile(r"^(?P<person>\d{4})(?P<image>0(?:0[1-9]|1\d|20))\.jpg$", re.ASCII),
    example="0001001.jpg",
    extensions=(".jpg",),
    layout="the images themselves, 0001001.jpg (person, image: to 010 of camera 1, from 011 of camera 2)",
    folders=("CAVIARa", "CAVIAR4REID/CAVIARa", "CAVIAR4REID", "caviar4reid"),
)
A_CAMERA = 10
"""Images of a person by a camera."""
PERSONS, BOTH = 72, 50


def read(root: Path, *, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: their own folder, or one around it.

    Args:
        root: The folder.
        train_on: ``split`` trains on the persons of one camera and tests on those of both; ``all`` trains on all
            persons and leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like CAVIAR4REID, nobody is in both cameras, or ``train_on`` is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    folder = _locate(root)
    shots = [
        Shot(path=path, person_id=int(match["person"]), camera_id=(int(match["image"]) - 1) // A_CAMERA)
        for path, match in named_images(folder, NAMING, report)
    ]
    seen = [{shot.person_id for shot in shots if shot.camera_id == camera} for camera in (0, 1)]
    both = frozenset(seen[0] & seen[1])
    if shots and not both:
        fact = f"CAVIAR4REID: nobody in {folder.resolve()} is seen by both cameras"
        report(Problem(kind=LISTS, place=folder, fact=fact, cure="copy the data set anew: those are tested"))
    test, train = part(shots, both)
    split = Split(
        name="caviar4reid",
        train=train,
        query=tuple(shot for shot in test if shot.camera_id == 0),
        gallery=tuple(shot for shot in test if shot.camera_id == 1),
        notes=("persons of both cameras are tested, camera 1 against camera 2; those of one camera train",),
        rules=Rules(name="caviar4reid"),
    )
    return split if train_on == "split" else train_on_all(split)


def _locate(root: Path) -> Path:
    """The first folder, ``root`` or one of the known names inside it, that holds a ``*.jpg``."""
    for folder in (root, *(root / name for name in NAMING.folders)):
        if is_dir(folder) and any(name.lower().endswith(NAMING.extensions) for name, _ in entries(folder)):
            return folder
    raise NAMING.nowhere(root, "*.jpg").error()


@dataclass(kw_only=True, eq=False, repr=False)
class Caviar4Reid(ReidData):
    """CAVIAR4REID, read from a copy that the user places.

    Args:
        train_on: ``split``, or ``all`` persons with nothing to test.
    """

    train_on: str = "split"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = _locate(self.root)
        return {folder.relative_to(self.root).as_posix(): folder} if folder != self.root else {"": self.root}

    @override
    def official(self) -> dict[str, Count]:
        alone = PERSONS - BOTH
        if self.train_on == "all":
            return {"train": Count(images=A_CAMERA * (PERSONS + BOTH), persons=PERSONS, cameras=2, junk=0)}
        one_camera = Count(images=A_CAMERA * BOTH, persons=BOTH, cameras=1, junk=0)
        train = Count(images=A_CAMERA * alone, persons=alone, junk=0)
        return {"train": train, "query": one_camera, "gallery": one_camera}

    @override
    def sample(self) -> Sample:
        return SAMPLE


SAMPLE = Sample(
    images={
        f"{person:04}{image:03}.jpg": (person, (image - 1) // A_CAMERA)
        for person in (1, 2, 51)
        for image in (1, 10, 11, 20)[: 2 if person == 51 else 4]
    }
)
