"""A user's own crops, listed in a CSV file, as a data set; :mod:`.csv_file` says what the file holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.passed_over import Passed, columns_passed
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.csv_columns import MEANT
from reid_lit.data.sets.csv_file import FILE, csv_parts, locate, read
from reid_lit.data.sets.csv_rows import unused_columns
from reid_lit.records import Split

SAMPLE = Sample(
    images={
        f"{name}_{camera}_{frame}.jpg": (person, number)
        for person, name in enumerate(("ann", "bob", "cho", "dan"), start=1)
        for number, camera in enumerate(("gate", "hall"))
        for frame in (1, 2)
    }
)


@dataclass(kw_only=True, eq=False, repr=False)
class CsvList(ReidData):
    """A user's own crops, listed in a CSV file.

    Args:
        root: The file, or a folder that holds ``reid.csv``.
        train_fraction: Share of the persons to train on; unused where the file has a column ``split``.
        junk: Names of persons that are junk: detections of nobody who is known.
    """

    train_fraction: float
    junk: Sequence[str | int] = (-1,)

    @override
    def read(self, report: Report = stop) -> Split:
        return read(
            self.root, train_fraction=self.train_fraction, split_seed=self.split_seed, junk=self.junk, report=report
        )

    @override
    def passed_over(self, split: Split) -> list[Passed]:
        return columns_passed(unused_columns(locate(self.root)), MEANT)

    @override
    def parts(self) -> dict[str, Path | bytes]:
        return csv_parts(self.root)

    @override
    def sample(self) -> Sample:
        rows = ["path,person,camera", *(f"{name},{','.join(name.split('_')[:2])}" for name in SAMPLE.images)]
        return Sample(images=SAMPLE.images, files={FILE: "\n".join(rows).encode()})
