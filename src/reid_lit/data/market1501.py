"""Market-1501: 1,501 persons seen by six cameras in front of a supermarket.

Source: Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015. 12,936 training images of 751
persons, 3,368 queries of 750 others, 19,732 gallery images, of which 3,819 are junk (``-1``) and 2,798 distractors
(``0000``).
"""

import re
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.layout import Grammar, read_layout
from reid_lit.records import Split

GRAMMAR = Grammar(
    title="Market-1501",
    folders=("Market-1501-v15.09.15", "Market-1501", "market1501"),
    # person, camera, sequence, frame, box; 24 names end in .jpg.jpg
    pattern=re.compile(r"^(?P<person>-1|\d{4})_c(?P<camera>[1-9])s\d_\d{6}_\d{2}(?:\.jpg)+$", re.ASCII),
    example="0002_c1s1_000451_03.jpg",
)


def read(root: Path, *, name: str = "market1501") -> Split:
    """The split below ``root``: the data set's folder, the folder it lies in, or its ``pytorch`` folder.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: a ``*.jpg`` is not named like Market-1501, or a person is in training and in testing.
    """
    return read_layout(root, GRAMMAR, name=name)


class Market1501(ReidData):
    """Market-1501, read from a copy that the user places."""

    name = "market1501"

    @override
    def read(self) -> Split:
        return read(self.root)
