"""CUHK01: 971 persons on a campus, two images of each in either of two views.

Source: Li, Zhao and Wang, "Human Reidentification with Transferred Metric Learning", ACCV 2012; 3,884 images. For
research, on request to the authors. Ten halves of the persons, both directions, all images of a view in query and
gallery; the authors fixed no halves: ten are stored here.

The persons are those of CUHK02's pair P1, under other numbers: a model that learnt from that pair is not tested here.

Layout checked in the code of torchreid (KaiyangZhou/deep-person-reid, ``image/cuhk01.py``) and LifelongReID
(TPCD/LifelongReID, ``lreid/datasets/cuhk01.py``); never tried on a real copy.
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
from reid_lit.data.sets.naming import Naming, check_choice, named_images
from reid_lit.data.sets.single_shot import one_way
from reid_lit.data.sets.stored_splits import SPLITS, stored_split
from reid_lit.data.splits import draw_persons, part, train_on_all
from reid_lit.files.access import is_dir
from reid_lit.records import Rules, Shot, Split

NAMING = Naming(
    title="CUHK01",
    pattern=re.compile(r"^(?P<person>\d{4})(?P<image>00[1-4])\.png$", re.ASCII),
    example="0001001.png",
    extensions=(".png",),
    layout="campus/0001001.png (person, image: 001 and 002 of view A, 003 and 004 of view B)",
    folders=("campus", "cuhk01/campus", "CUHK01/campus", "cuhk01", "CUHK01"),
)
PLACE = "campus"
PERSONS = 971
RULES = Rules(name="cuhk01_10_splits")


def draw_splits() -> list[list[int]]:
    """The ten training halves of the persons 1 … 971; ``cuhk01_splits.json`` holds what it gives."""
    return [sorted(draw_persons(range(1, PERSONS + 1), PERSONS // 2, seed=split)) for split in range(SPLITS)]


def read(root: Path, *, split_id: int = 0, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: the folder that holds ``campus/``, one around it, or the images' own folder.

    Args:
        root: The folder.
        split_id: Which of the ten stored halves of the persons trains, 0 … 9.
        train_on: ``split`` trains on a half and tests on the other, view A against B and B against A; ``all`` trains on
            all persons and leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like CUHK01, or an option is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    half, note = stored_split("cuhk01", split_id)
    shots = [
        Shot(path=path, person_id=int(match["person"]), camera_id=(int(match["image"]) - 1) // 2)
        for path, match in named_images(_locate(root), NAMING, report)
    ]
    train, test = part(shots, frozenset(half))
    split = Split(
        name="cuhk01",
        train=train,
        query=(),
        gallery=(),
        notes=(note,),
        rules=RULES,
        tests=tuple(one_way("cuhk01", test, *way, rules=RULES) for way in ((0, 1), (1, 0))),
        average="cuhk01",
    )
    return split if train_on == "split" else train_on_all(split)


def _locate(root: Path) -> Path:
    """The folder of the images."""
    if root.name == PLACE and is_dir(root):
        return root
    return NAMING.locate(root, PLACE) / PLACE


@dataclass(kw_only=True, eq=False, repr=False)
class CUHK01(ReidData):
    """CUHK01, read from a copy that the user places.

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
        folder = _locate(self.root)
        return {folder.relative_to(self.root).as_posix(): folder} if folder != self.root else {"": self.root}

    @override
    def official(self) -> dict[str, Count]:
        if self.train_on == "all":
            return {"train": Count(images=4 * PERSONS, persons=PERSONS, cameras=2, junk=0)}
        half, tested = PERSONS // 2, PERSONS - PERSONS // 2
        one_view = Count(images=2 * tested, persons=tested, cameras=1, junk=0)
        tests = [f"cuhk01_{way} {role}" for way in ("a_to_b", "b_to_a") for role in ("query", "gallery")]
        return {"train": Count(images=4 * half, persons=half, cameras=2, junk=0)} | dict.fromkeys(tests, one_view)

    @override
    def sample(self) -> Sample:
        return sample()


def sample() -> Sample:
    """Four persons, two of whom train in the first split."""
    half, _ = stored_split("cuhk01", 0)
    persons = [*half[:2], *sorted({*range(1, PERSONS + 1)} - {*half})[:2]]
    return Sample(
        images={f"{PLACE}/{p:04}{image:03}.png": (p, (image - 1) // 2) for p in persons for image in (1, 2, 3, 4)}
    )
