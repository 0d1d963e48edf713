"""CUHK-SYSU, cut out: 11,934 persons in street snaps and films, as a source of generalisation.

Source: Xiao et al., "Joint Detection and Identification Feature Learning for Person Search", CVPR 2017; made to find
people in whole scenes. Re-identification trains on its crops, 34,574 as public code counts them; the authors give none
out, so copies differ in how they name and divide them. The generalisation papers train on everybody, in each of their
protocols: ``train_on=all``. A scene is no camera: all images are of one here.

Three layouts, checked in public code: ``cropped_images/p1_s2_1.jpg`` (torchreid, KaiyangZhou/deep-person-reid,
``image/cuhksysu.py``, and FastReID, JDAI-CV/fast-reid, ``datasets/cuhk_sysu.py``); ``cuhksysu4reid/`` of ``train/``,
``query/``, ``gallery/`` with ``00001_s2_0000001_0.jpg`` (TPCD/LifelongReID, ``lreid/datasets/cuhksysu.py``, which
cuts them out so, and everybody into ``combine/``; the other three lack persons);
``bounding_box_train/0001_c1_1.jpg`` (yoonkicho/BAU, ``datasets/cuhksysu.py``). Never tried on a real copy.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, named_images
from reid_lit.data.splits import check_disjoint, train_on_all
from reid_lit.files.access import is_dir
from reid_lit.records import Rules, Shot, Split
from reid_lit.wording import counted

NAMING = Naming(
    title="CUHK-SYSU",
    pattern=re.compile(
        r"^(?:p(?P<cut>\d+)_s\d+_\d+|(?P<divided>\d+)_s\d+_\d+_\d+|(?P<boxed>\d+)_c\d+(?:s\d+)?(?:_\d+)*)\.jpg$",
        re.ASCII,
    ),
    example="p1_s2_1.jpg",
    extensions=(".jpg",),
    layout=(
        "cropped_images/p1_s2_1.jpg (person, scene, image), cuhksysu4reid/{train,query,gallery}/00001_s2_0000001_0.jpg"
        " or bounding_box_train/0001_c1_1.jpg"
    ),
    folders=("cuhk_sysu", "cuhksysu", "CUHK-SYSU", "cuhksysu4reid", "cuhksysu/cuhksysu4reid"),
)


class _Layout(NamedTuple):
    train: str
    query: str = ""
    gallery: str = ""


LAYOUTS = (
    _Layout("cropped_images"),
    _Layout("cropped_image"),
    _Layout("bounding_box_train"),
    _Layout("train", "query", "gallery"),
)
EVERYBODY = "combine"
"""The folder of a divided copy that has every person of the whole set."""
WHOLE = Count(images=34574, persons=11934, cameras=1, junk=0)


def read(root: Path, *, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: the folder that holds one of the layouts, or one around it.

    Args:
        root: The folder.
        train_on: ``split`` trains on what the copy has for training, which is every person where it is not divided;
            ``all`` trains on everybody, those of ``combine/`` where it is there, and leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: none of the layouts is there, or a folder holds no image.
        ValueError: an image is not named like CUHK-SYSU, a person is in training and in testing, or ``train_on`` is
            unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    folder, layout = _locate(root)
    if train_on == "all" and _has_everybody(folder, layout):
        layout = _Layout(EVERYBODY)
    train, query, gallery = (_shots(folder / name, report) if name else () for name in layout)
    check_disjoint(train, query + gallery, where=folder, report=report)
    split = Split(
        name="cuhk_sysu",
        train=train,
        query=query,
        gallery=gallery,
        notes=(f"crops of {layout.train}/; scenes are no cameras, so all images are of one",),
        rules=Rules(name="cuhk_sysu", camera_rule="any_camera"),
    )
    if train_on == "all":
        split = train_on_all(split)
    return split if split.query else replace(split, notes=(*split.notes, *_lacking(split.train)))


def _lacking(train: Sequence[Shot]) -> list[str]:
    """A note where a list of everybody has not the counts of the whole set."""
    images, persons = len(train), len({shot.person_id for shot in train})
    if (images, persons) == (WHOLE.images, WHOLE.persons):
        return []
    have = f"{counted(images, 'image', grouped=True)} of {counted(persons, 'person', grouped=True)}"
    return [f"{have}, while the whole set has {WHOLE.images:,} of {WHOLE.persons:,}"]


def _has_everybody(folder: Path, layout: _Layout) -> bool:
    return bool(layout.query) and is_dir(folder / EVERYBODY)


def _locate(root: Path) -> tuple[Path, _Layout]:
    folder = NAMING.locate(root, *(layout.train for layout in LAYOUTS))
    return folder, next(layout for layout in LAYOUTS if is_dir(folder / layout.train))


def _shots(folder: Path, report: Report) -> tuple[Shot, ...]:
    """The images of a folder by person, then name."""
    shots = (
        Shot(path=path, person_id=int(match["cut"] or match["divided"] or match["boxed"]), camera_id=0)
        for path, match in named_images(folder, NAMING, report)
    )
    return tuple(sorted(shots, key=lambda shot: (shot.person_id, shot.path)))


@dataclass(kw_only=True, eq=False, repr=False)
class CUHKSYSU(ReidData):
    """CUHK-SYSU's crops, read from a copy that the user places.

    Args:
        train_on: ``split``, or ``all`` persons with nothing to test.
    """

    train_on: str = "split"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder, layout = _locate(self.root)
        names = (*layout, EVERYBODY) if _has_everybody(folder, layout) else layout
        places: Iterable[Path] = (folder / name for name in names if name)
        return {place.relative_to(self.root).as_posix(): place for place in places if is_dir(place)}

    @override
    def official(self) -> dict[str, Count]:
        """Of crops of everybody; how others were cut and divided differs from copy to copy."""
        try:
            folder, layout = _locate(self.root)
        except FileNotFoundError:
            return {}
        combined = self.train_on == "all" and _has_everybody(folder, layout)
        return {"train": WHOLE} if combined or layout.train.startswith("cropped_image") else {}

    @override
    def sample(self) -> Sample:
        return SAMPLE


SAMPLE = Sample(
    images={f"cropped_images/p{person}_s{scene}_{scene}.jpg": (person, 0) for person in (1, 2) for scene in (3, 10)}
)
