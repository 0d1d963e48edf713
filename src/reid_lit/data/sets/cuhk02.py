"""CUHK02: 1,816 persons, each seen twice by either camera of one of five pairs on a campus.

Source: Li and Wang, "Locally Aligned Feature Transforms across Views", CVPR 2013. 971, 306, 107, 193 and 239 persons in
the pairs P1 … P5, each with four images: 7,264. The first four pairs train, the fifth is tested, camera 1 against
camera 2; as a source of generalisation (P-1) all train. For research, on request to the authors.

P1 shows the persons of CUHK01, under other numbers: a model that learnt from P1 is not tested on CUHK01. P5 has others.

Layout checked in the code of torchreid (KaiyangZhou/deep-person-reid, ``image/cuhk02.py``) and LifelongReID
(TPCD/LifelongReID, ``lreid/datasets/cuhk02.py``); never tried on a real copy.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, named_images
from reid_lit.data.splits import part, train_on_all
from reid_lit.files.access import is_dir
from reid_lit.records import Rules, Shot, Split

NAMING = Naming(
    title="CUHK02",
    pattern=re.compile(r"^(?P<person>\d{1,4})_\d+\.png$", re.ASCII),
    example="001_1.png",
    extensions=(".png",),
    layout="Dataset/P1/cam1/001_1.png, Dataset/P1/cam2/…, to Dataset/P5/cam2/… (person of the pair, image)",
    folders=("Dataset", "cuhk02/Dataset", "CUHK02/Dataset", "cuhk02", "CUHK02"),
)
PERSONS = {1: 971, 2: 306, 3: 107, 4: 193, 5: 239}
"""By pair; each has two images by either camera."""
TESTED = 5
STEP = 10_000
"""A pair's persons are counted from 1; here the person is pair × 10,000 + that number, whatever is missing."""


def read(root: Path, *, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: the folder that holds ``P1/`` … ``P5/``, or one around it.

    Args:
        root: The folder.
        train_on: ``split`` trains on the pairs P1 … P4 and tests on P5, camera 1 against camera 2; ``all`` trains on
            all pairs and leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like CUHK02, or ``train_on`` is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    folder = NAMING.locate(root, *_pairs())
    shots = [
        Shot(path=path, person_id=STEP * pair + int(match["person"]), camera_id=2 * (pair - 1) + view - 1)
        for pair in PERSONS
        for view in (1, 2)
        for path, match in named_images(folder / f"P{pair}" / f"cam{view}", NAMING, report)
    ]
    shots.sort(key=lambda shot: (shot.person_id, shot.path))
    test, train = part(shots, frozenset(s.person_id for s in shots if s.person_id > STEP * TESTED))
    split = Split(
        name="cuhk02",
        train=train,
        query=tuple(shot for shot in test if shot.camera_id == 2 * TESTED - 2),
        gallery=tuple(shot for shot in test if shot.camera_id == 2 * TESTED - 1),
        notes=(f"persons are numbered {STEP:,} × pair + their number in the pair; P{TESTED} is tested",),
        rules=Rules(name="cuhk02"),
    )
    return split if train_on == "split" else train_on_all(split)


def _pairs() -> list[str]:
    return [f"P{pair}" for pair in PERSONS]


@dataclass(kw_only=True, eq=False, repr=False)
class CUHK02(ReidData):
    """CUHK02, read from a copy that the user places.

    Args:
        train_on: ``split``, or ``all`` persons with nothing to test.
    """

    train_on: str = "split"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = NAMING.locate(self.root, *_pairs())
        places = (folder / name for name in _pairs())
        return {place.relative_to(self.root).as_posix(): place for place in places if is_dir(place)}

    @override
    def official(self) -> dict[str, Count]:
        tested, everyone = PERSONS[TESTED], sum(PERSONS.values())
        if self.train_on == "all":
            return {"train": Count(images=4 * everyone, persons=everyone, cameras=10, junk=0)}
        one_camera = Count(images=2 * tested, persons=tested, cameras=1, junk=0)
        train = Count(images=4 * (everyone - tested), persons=everyone - tested, cameras=8, junk=0)
        return {"train": train, "query": one_camera, "gallery": one_camera}

    @override
    def sample(self) -> Sample:
        return SAMPLE


SAMPLE = Sample(
    images={
        f"P{pair}/cam{view}/{person:03}_{image}.png": (STEP * pair + person, 2 * (pair - 1) + view - 1)
        for pair in PERSONS
        for view in (1, 2)
        for person in (1, 2)[: 1 + (pair == TESTED)]
        for image in (1, 2)
    }
)
