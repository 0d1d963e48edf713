"""VeRi-776: 776 vehicles seen by twenty cameras of a city's roads.

Source: Liu et al., "A Deep Learning-Based Approach to Progressive Vehicle Re-identification for Urban Surveillance",
ECCV 2016. 37,778 training images of 576 vehicles, 1,678 queries of 200 others, 11,579 gallery images of these. Image
against image, as on Market-1501: a query's vehicle under its own camera is removed from its ranking. On request to the
authors.

Layout checked in the code of FastReID (JDAI-CV/fast-reid, ``datasets/veri.py``) and OpenUnReID
(open-mmlab/OpenUnReID, ``datasets/veri.py``, which has the folder ``VeRi_with_plate``); never tried on a real copy.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, shots_in
from reid_lit.data.splits import check_disjoint, train_on_all
from reid_lit.files.access import is_dir
from reid_lit.kinds import VEHICLE, speak_of
from reid_lit.records import Rules, Split

EXAMPLE = "0001_c001_00016450_0.jpg"
NAMING = Naming(
    title="VeRi-776",
    pattern=re.compile(r"^(?P<person>\d{4})_c(?P<camera>00[1-9]|01\d|020)_\d{8}_\d+\.jpg$", re.ASCII),
    example=EXAMPLE,
    extensions=(".jpg",),
    layout=f"image_train/{EXAMPLE} (vehicle, camera, frame, box), image_query/…, image_test/…",
    folders=("VeRi", "VeRi_with_plate", "veri/VeRi_with_plate", "veri"),
)
TRAIN, QUERY, GALLERY = "image_train", "image_query", "image_test"


def read(root: Path, *, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: VeRi's folder, which holds ``image_train/``, or one around it.

    Args:
        root: The folder.
        train_on: ``split``, or ``all`` vehicles, which leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like VeRi, a vehicle is in training and in testing, or ``train_on`` is
            unknown.
    """
    speak_of(VEHICLE)
    check_choice("train_on", train_on, ("split", "all"))
    folder = NAMING.locate(root, TRAIN, GALLERY)
    train, query, gallery = (shots_in(folder / name, NAMING, report) for name in (TRAIN, QUERY, GALLERY))
    check_disjoint(train, query + gallery, where=folder, report=report)
    split = Split(name="veri776", train=train, query=query, gallery=gallery, rules=Rules(name="veri776"), kind=VEHICLE)
    return split if train_on == "split" else train_on_all(split)


@dataclass(kw_only=True, eq=False, repr=False)
class Veri776(ReidData):
    """VeRi-776, read from a copy that the user places.

    Args:
        train_on: ``split``, or ``all`` vehicles with nothing to test.
    """

    train_on: str = "split"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = NAMING.locate(self.root, TRAIN, GALLERY)
        places = (folder / name for name in (TRAIN, QUERY, GALLERY))
        return {place.relative_to(self.root).as_posix(): place for place in places if is_dir(place)}

    @override
    def official(self) -> dict[str, Count]:
        if self.train_on == "all":
            return {"train": Count(images=37778 + 1678 + 11579, persons=776, junk=0)}
        return {
            "train": Count(images=37778, persons=576, junk=0),
            "query": Count(images=1678, persons=200, junk=0),
            "gallery": Count(images=11579, persons=200, junk=0),
        }

    @override
    def sample(self) -> Sample:
        return SAMPLE


SAMPLE = Sample(
    images={
        "image_train/0001_c001_00016450_0.jpg": (1, 0),
        "image_train/0001_c020_00016555_0.jpg": (1, 19),
        "image_train/0776_c011_00083000_1.jpg": (776, 10),
        "image_query/0002_c002_00030600_0.jpg": (2, 1),
        "image_test/0002_c003_00030670_0.jpg": (2, 2),
        "image_test/0005_c009_00051000_0.jpg": (5, 8),
    }
)
