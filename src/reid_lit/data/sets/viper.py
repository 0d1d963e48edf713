"""VIPeR: 632 persons, each with one image by each of two cameras.

Source: Gray, Brennan and Tao, "Evaluating Appearance Models for Recognition, Reacquisition, and Tracking", PETS 2007.
1,264 images of 48 × 128 pixels. Ten halvings of the persons, both directions; the authors fixed no splits. For
research; ask the authors.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import LISTS, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice
from reid_lit.data.sets.single_shot import CAMERAS, one_way, paired, shots_by_person
from reid_lit.data.sets.stored_splits import SPLITS, stored_split
from reid_lit.data.splits import draw_persons, part, train_on_all
from reid_lit.records import Rules, Split
from reid_lit.wording import counted

NAMING = Naming(
    title="VIPeR",
    pattern=re.compile(r"^(?P<person>\d{3})_(?P<angle>\d{1,3})\.bmp$", re.ASCII),  # person, angle in degrees
    example="001_45.bmp",
    extensions=(".bmp",),
    layout="cam_a/001_45.bmp, cam_b/001_90.bmp (person, angle in degrees)",
    folders=("VIPeR", "viper", "VIPeR.v1.0/VIPeR"),
)
PERSONS = 632
RULES = Rules(name="viper_10_splits")
SAMPLE = Sample(
    images={
        f"{name}/{person:03}_{90 * camera}.bmp": (person, camera)
        for person in range(PERSONS)
        for camera, name in enumerate(CAMERAS)
    }
)


def draw_splits() -> list[list[int]]:
    """The ten training halves, as positions 0 … 631 in the sorted persons; ``viper_splits.json`` holds what it gives.

    The file is read, not this: a score is compared under the same halves whatever a later Python draws.
    """
    return [sorted(draw_persons(range(PERSONS), PERSONS // 2, seed=split)) for split in range(SPLITS)]


def read(root: Path, *, split_id: int = 0, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: VIPeR's folder or the folder that holds it.

    Args:
        root: The folder.
        split_id: Which of the ten stored halves of the persons trains, 0 … 9.
        train_on: ``split`` trains on a half and tests on the other, camera a against b and b against a; ``all`` trains
            on all persons and leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like VIPeR, the persons are not 632 with one image by each camera, or an
            option is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    chosen, note = stored_split("viper", split_id)
    folder = NAMING.locate(root, *CAMERAS)
    cameras = [shots_by_person(folder / name, camera, NAMING, report) for camera, name in enumerate(CAMERAS)]
    shots = paired(folder, cameras, NAMING, report)
    if (seen := len(cameras[0].keys() | cameras[1].keys())) != PERSONS:
        fact = f"VIPeR: {counted(seen, 'person')} in {folder.resolve()}, not {PERSONS}"
        report(Problem(kind=LISTS, place=folder, fact=fact, cure="copy the data set anew: the stored splits need all"))
    persons = sorted({shot.person_id for shot in shots})
    train, test = part(shots, frozenset(persons[position] for position in chosen if position < len(persons)))
    split = Split(
        name="viper",
        train=train,
        query=(),
        gallery=(),
        notes=(note,),
        rules=RULES,
        tests=tuple(one_way("viper", test, *way, rules=RULES) for way in ((0, 1), (1, 0))),
        average="viper",
    )
    return split if train_on == "split" else train_on_all(split)


@dataclass(kw_only=True, eq=False, repr=False)
class Viper(ReidData):
    """VIPeR, read from a copy that the user places.

    Args:
        split_id: Which of the ten stored halves of the persons trains.
        train_on: ``split`` trains on that half, ``all`` on all persons, with nothing to test.
    """

    split_id: int = 0
    train_on: str = "split"

    SPLITS: ClassVar[int] = SPLITS

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, split_id=self.split_id, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = NAMING.locate(self.root, *CAMERAS)
        return {(folder / name).relative_to(self.root).as_posix(): folder / name for name in CAMERAS}

    @override
    def official(self) -> dict[str, Count]:
        if self.train_on == "all":
            return {"train": Count(images=2 * PERSONS, persons=PERSONS, cameras=2, junk=0)}
        half = PERSONS // 2
        tests = [f"{test} {part}" for test in ("viper_a_to_b", "viper_b_to_a") for part in ("query", "gallery")]
        counts = {"train": Count(images=2 * half, persons=half, cameras=2, junk=0)}
        return counts | {test: Count(images=half, persons=half, cameras=1, junk=0) for test in tests}

    @override
    def sample(self) -> Sample:
        return SAMPLE
