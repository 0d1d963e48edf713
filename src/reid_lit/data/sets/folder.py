"""A folder of a user's own crops as a data set; :mod:`.person_folders` describes its layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.passed_over import Passed, passed_over
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.person_folders import read
from reid_lit.records import Split

SAMPLE = Sample(
    images={
        f"{name}/{camera}/{frame}.jpg": (person, number)
        for person, name in enumerate(("ann", "bob", "cho", "dan"), start=1)
        for number, camera in enumerate(("gate", "hall"))
        for frame in (1, 2)
    }
)


@dataclass(kw_only=True, eq=False, repr=False)
class Folder(ReidData):
    """A user's own crops.

    Args:
        root: The folder.
        train_fraction: Share of the persons to train on; unused with ready-made ``train/``, ``query/``, ``gallery/``.
        layout: What the folders are, see :data:`~.person_folders.LAYOUTS`.
        junk: Names of persons that are junk: detections of nobody who is known.
    """

    train_fraction: float
    layout: Literal["auto", "person/camera/image", "person/image", "camera/person/image", "camera/image", "image"] = (
        "auto"
    )
    junk: Sequence[str | int] = (-1,)

    @override
    def read(self, report: Report = stop) -> Split:
        return read(
            self.root,
            train_fraction=self.train_fraction,
            split_seed=self.split_seed,
            layout=self.layout,
            junk=self.junk,
            report=report,
        )

    @override
    def passed_over(self, split: Split) -> list[Passed]:
        return passed_over((shot.path for shot in split.shots), self.root, bare=True)

    @override
    def sample(self) -> Sample:
        return SAMPLE
