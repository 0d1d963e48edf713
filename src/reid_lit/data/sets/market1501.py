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
from reid_lit.data.sets.layout import Grammar, read_layout
from reid_lit.records import Split

GRAMMAR = Grammar(
    title="Market-1501",
    folders=("Market-1501-v15.09.15", "Market-1501", "market1501"),
    # person, camera, sequence, frame, box; 24 names end in .jpg.jpg
    pattern=re.compile(r"^(?P<person>-1|\d{4})_c(?P<camera>[1-9])s\d_\d{6}_\d{2}(?:\.jpg)+$", re.ASCII),
    example="0002_c1s1_000451_03.jpg",
)

OFFICIAL = {
    "train": Count(images=12936, persons=751, cameras=6, junk=0),
    "query": Count(images=3368, persons=750, cameras=6, junk=0),
    "gallery": Count(images=19732, persons=751, cameras=6, junk=3819),  # of the persons, 0000 is the distractors
}


def read(root: Path, *, name: str = "market1501", report: Report = stop) -> Split:
    """The split below ``root``: the data set's folder, the folder it lies in, or its ``pytorch`` folder.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: a ``*.jpg`` is not named like Market-1501, or a person is in training and in testing.
    """
    return read_layout(root, GRAMMAR, name=name, report=report)


@dataclass(kw_only=True, eq=False, repr=False)
class Market1501(ReidData):
    """Market-1501, read from a copy that the user places."""

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, report=report)

    @override
    def official(self) -> dict[str, Count]:
        return OFFICIAL
