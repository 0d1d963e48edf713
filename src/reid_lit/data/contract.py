"""The contract of a data set: what it defines itself, next to its fields."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from reid_lit.data.counts import Count, is_whole
from reid_lit.data.passed_over import Passed, passed_over
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.records import Split


class DataContract(ABC):
    """The methods and constants of a data set; it must define ``read`` and may redefine the others.

    Attributes:
        root: The folder of the data set.
        split: The training and test lists (after ``setup``).
    """

    root: Path
    split: Split

    two_domains: ClassVar[bool] = False
    """Whether each training batch has a labelled source and an unlabelled target."""

    tests_by_training_cameras: ClassVar[bool] = True
    """Whether its tests number the cameras as its training list does."""

    SPLITS: ClassVar[int] = 1
    """How many numbered splits the protocol averages over; a data set with more has a field ``split_id``."""

    @abstractmethod
    def read(self, report: Report = stop) -> Split:
        """Read the data set's lists.

        Args:
            report: Receives what is wrong; by default it raises.
        """

    def official(self) -> dict[str, Count]:
        """The counts of an undamaged copy, by ``train``, ``query`` and ``gallery``; empty where none are known."""
        return {}

    def parts(self) -> Mapping[str, Path | bytes]:
        """What a pack of the data set holds, whatever its options: folders with all below them, and files.

        By the name of each below the pack: where it is, or the content of a file that is written for the pack. By
        default it is all that the data set's folder holds.
        """
        return {"": self.root}

    def passed_over(self, split: Split) -> list[Passed]:
        """What is there and is not in the lists, by reason.

        By default it is looked for in the deepest folder that holds all images: a data set may lie in a folder of many.

        Args:
            split: What :meth:`read` gave.
        """
        folders = {shot.path.parent for shot in split.shots}
        return passed_over((shot.path for shot in split.shots), Path(os.path.commonpath(folders)))

    def whole(self) -> bool | None:
        """Whether the test of ``split`` has the official counts; None where none are known."""
        return is_whole(self.split, self.official())

    def sample(self) -> Sample:
        """A small copy, by which the contract tests check ``read``.

        Raises:
            NotImplementedError: the data set has none.
        """
        raise NotImplementedError(f"{type(self).__name__} has no sample; give it a method that returns a small copy")

    @property
    def draws_by_member(self) -> bool:
        """Whether each training batch is drawn from one of several data sets."""
        return False
