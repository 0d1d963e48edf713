"""i-LIDS (QMUL): 119 persons in an airport, two to eight images of each, and no word of which camera took which.

Source: Zheng, Gong and Xiang, "Associating Groups of People", BMVC 2009; 476 images.

Protocol of the generalisation papers (P-1): 59 persons train; of each of the other 60, one image drawn at random is
searched among one other image of each. The authors fixed no draws: ten are stored here, persons and images. As no
camera is known, nothing is removed from a ranking.

Layout checked in the code of torchreid (KaiyangZhou/deep-person-reid, ``image/ilids.py``) and BAU (yoonkicho/BAU,
``datasets/ilids.py``), which has the folder ``QMUL-iLIDS`` around it; never tried on a real copy.
"""

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import LISTS, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, named_images
from reid_lit.data.sets.stored_splits import SPLITS, stored_split
from reid_lit.data.splits import draw_persons, train_on_all
from reid_lit.files.access import is_dir
from reid_lit.records import Rules, Shot, Split
from reid_lit.wording import counted

NAMING = Naming(
    title="i-LIDS",
    pattern=re.compile(r"^(?P<person>\d{4})(?P<image>\d{3})\.jpg$", re.ASCII),
    example="0001001.jpg",
    extensions=(".jpg",),
    layout="i-LIDS_Pedestrian/Persons/0001001.jpg (person, image)",
    folders=("i-LIDS_Pedestrian", "ilids/i-LIDS_Pedestrian", "QMUL-iLIDS/i-LIDS_Pedestrian", "ilids", "QMUL-iLIDS"),
)
PLACE = "Persons"
PERSONS = 119
RULES = Rules(name="ilids_10_splits", camera_rule="any_camera")
MOST_IMAGES = 8
"""Of a person; an image of a higher number comes after them in every draw."""


SAMPLE = Sample(
    images={f"{PLACE}/{person:04}{image:03}.jpg": (person, 0) for person in range(1, PERSONS + 1) for image in (1, 2)}
)


def draw_splits() -> list[dict[str, list[int] | dict[str, list[int]]]]:
    """The ten draws; ``ilids_splits.json`` holds what it gives.

    ``train`` has the 59 training persons as positions 0 … 118 in the sorted persons. ``order`` has, for each other
    position, the image numbers 1 … 8 in the order in which they are taken: of those that are there, the first is the
    query and the second the gallery image.
    """
    splits: list[dict[str, list[int] | dict[str, list[int]]]] = []
    for split in range(SPLITS):
        train = draw_persons(range(PERSONS), PERSONS // 2, seed=split)
        source = random.Random(f"images {split}")
        order = {
            str(p): source.sample(range(1, MOST_IMAGES + 1), MOST_IMAGES) for p in range(PERSONS) if p not in train
        }
        splits.append({"train": sorted(train), "order": order})
    return splits


def read(root: Path, *, split_id: int = 0, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: the folder that holds ``Persons/``, one around it, or the images' own folder.

    Args:
        root: The folder.
        split_id: Which of the ten stored draws, 0 … 9.
        train_on: ``split`` trains on 59 persons and tests on the others; ``all`` trains on all images and leaves
            nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like i-LIDS, the persons are not 119 with two images or more each, or an
            option is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    content, note = stored_split("ilids", split_id)
    folder = _locate(root)
    images = _images(folder, report)
    persons = sorted(images)
    everyone = tuple(shot for person in persons for _, shot in sorted(images[person].items()))
    whole = Split(name="ilids", train=everyone, query=(), gallery=(), rules=RULES)
    if train_on == "all":
        return train_on_all(whole)
    train = {persons[position] for position in content["train"] if position < len(persons)}
    drawn = [
        _drawn(images[person], content["order"][str(position)])
        for position, person in enumerate(persons[:PERSONS])
        if str(position) in content["order"]
    ]
    return Split(
        name="ilids",
        train=tuple(shot for shot in everyone if shot.person_id in train),
        query=tuple(pair[0] for pair in drawn if len(pair) == 2),
        gallery=tuple(pair[1] for pair in drawn if len(pair) == 2),
        notes=(note, "no camera is known, so no image is removed from a ranking"),
        rules=RULES,
    )


def _locate(root: Path) -> Path:
    """The folder of the images, which are in ``Persons/`` of the archive."""
    if root.name == PLACE and is_dir(root):
        return root
    return NAMING.locate(root, PLACE) / PLACE


def _images(folder: Path, report: Report) -> dict[int, dict[int, Shot]]:
    """The images by person and number, of one camera as none is known."""
    images: dict[int, dict[int, Shot]] = defaultdict(dict)
    for path, match in named_images(folder, NAMING, report):
        person = int(match["person"])
        images[person][int(match["image"])] = Shot(path=path, person_id=person, camera_id=0)
    alone = sorted(person for person, shots in images.items() if len(shots) < 2)
    if images and (alone or len(images) != PERSONS):
        fact = (
            f"i-LIDS: {counted(len(images), 'person')} in {folder.resolve()}, {len(alone)} of them with one image, not"
            f" {PERSONS} with two or more"
        )
        cure = "copy the data set anew: the stored splits need all"
        examples = tuple(next(iter(images[person].values())).path.name for person in alone[:3])
        report(Problem(kind=LISTS, place=folder, fact=fact, cure=cure, examples=examples))
    return images


def _drawn(shots: dict[int, Shot], order: list[int]) -> list[Shot]:
    """The first two images of a person in the order of a draw."""
    taken = [number for number in order if number in shots]
    return [shots[number] for number in [*taken, *sorted(shots.keys() - {*order})][:2]]


@dataclass(kw_only=True, eq=False, repr=False)
class Ilids(ReidData):
    """i-LIDS, read from a copy that the user places.

    Args:
        split_id: Which of the ten stored draws of persons and images.
        train_on: ``split`` trains on 59 persons, ``all`` on all, with nothing to test.
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
            return {"train": Count(images=476, persons=PERSONS, cameras=1, junk=0)}
        tested = PERSONS - PERSONS // 2
        one_each = Count(images=tested, persons=tested, cameras=1, junk=0)
        return {"query": one_each, "gallery": one_each}  # how many images train depends on the draw

    @override
    def sample(self) -> Sample:
        return SAMPLE
