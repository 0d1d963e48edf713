"""Market-1501: 1,501 persons seen by six cameras in front of a supermarket.

Source: Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015. 12,936 training images of 751
persons, 3,368 queries of 750 others, 19,732 gallery images, of which 3,819 are junk (``-1``) and 2,798 distractors
(``0000``).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.layout import layout_parts, layouts, read_layout
from reid_lit.data.sets.naming import Naming, check_choice
from reid_lit.data.splits import train_on_all
from reid_lit.records import JUNK, Moment, Split

FRAMES_PER_SECOND = 25


def _taken(name: re.Match[str]) -> Moment:
    """Frames are counted anew in each sequence of a camera, and how far two sequences are apart was not published."""
    return Moment(f"market1501 c{name['camera']}s{name['sequence']}", int(name["frame"]) / FRAMES_PER_SECOND)


EXAMPLE = "0002_c1s1_000451_03.jpg"
NAMING = Naming(
    title="Market-1501",
    # person, camera, sequence, frame, box; 24 names end in .jpg.jpg
    pattern=re.compile(
        r"^(?P<person>-1|\d{4})_c(?P<camera>[1-9])s(?P<sequence>\d)_(?P<frame>\d{6})_\d{2}(?:\.jpg)+$", re.ASCII
    ),
    example=EXAMPLE,
    extensions=(".jpg",),
    layout=layouts(EXAMPLE),
    folders=("Market-1501-v15.09.15", "Market-1501", "market1501"),
    taken=_taken,
)

DISTRACTORS = 0
OFFICIAL = {
    "train": Count(images=12936, persons=751, cameras=6, junk=0),
    "query": Count(images=3368, persons=750, cameras=6, junk=0),
    "gallery": Count(images=19732, persons=751, cameras=6, junk=3819),  # of the persons, 0000 is the distractors
}
ALL = Count(images=29419, persons=1501, cameras=6, junk=0)

SAMPLE = Sample(
    images={
        "bounding_box_train/0002_c1s1_000451_03.jpg": (2, 0),
        "bounding_box_train/0002_c6s1_000451_01.jpg": (2, 5),
        "bounding_box_train/0010_c2s1_000551_01.jpg": (10, 1),
        "query/0001_c1s1_001051_00.jpg": (1, 0),
        "query/0003_c5s1_000301_00.jpg.jpg": (3, 4),
        "bounding_box_test/-1_c1s1_000401_03.jpg": (JUNK, 0),
        "bounding_box_test/0000_c1s1_000151_01.jpg": (0, 0),
        "bounding_box_test/0001_c3s1_000301_01.jpg": (1, 2),
        "bounding_box_test/0003_c1s1_000301_01.jpg.jpg": (3, 0),
    }
)


def read(root: Path, *, name: str = "market1501", train_on: str = "split", report: Report = stop) -> Split:
    """The split below ``root``: the data set's folder, the folder that holds it, or its ``pytorch`` folder.

    Args:
        root: The folder.
        name: The name of the split.
        train_on: ``split``, or ``all`` persons of training, query and gallery, which leaves nothing to test; junk and
            distractors are nobody to learn.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: a ``*.jpg`` is not named like Market-1501, a person is in training and in testing, or ``train_on``
            is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    split = read_layout(root, NAMING, name=name, report=report)
    return split if train_on == "split" else train_on_all(split, distractors=[DISTRACTORS])


@dataclass(kw_only=True, eq=False, repr=False)
class Market1501(ReidData):
    """Market-1501, read from a copy that the user places.

    Args:
        train_on: ``split``, or ``all`` persons with nothing to test.
    """

    train_on: str = "split"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        return layout_parts(self.root, NAMING)

    @override
    def official(self) -> dict[str, Count]:
        return OFFICIAL if self.train_on == "split" else {"train": ALL}

    @override
    def sample(self) -> Sample:
        return SAMPLE
