"""Problems of a copy of a data set: a reader stops at the first one, the doctor collects all."""

import os
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from reid_lit.errors import InputError, MissingFileError

MISSING = "missing"
NESTED = "nested folder"
MISPLACED = "misplaced folder"
LAYOUT = "layout"
NAMES = "names"
LISTS = "lists"
SHARED = "shared persons"
EMPTY = "no images"
IMAGES = "bad images"
VALUES = "value range"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: A constant of this module or of the doctor.
        place: The folder or file that has the problem.
        fact: What is wrong, with the values: half a sentence.
        cure: What to do about it: half a sentence.
        examples: A few names, relative to ``place`` if they are below it.
    """

    kind: str
    place: Path
    fact: str
    cure: str
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f": {', '.join(self.examples)}" if self.examples else ""
        return f"{self.fact}{shown}; {self.cure}"

    def error(self) -> "MissingDataError | DataError":
        """The exception that a reader raises for this problem."""
        return MissingDataError(self) if self.kind in (MISSING, NESTED, MISPLACED, EMPTY) else DataError(self)


class MissingDataError(MissingFileError):
    """A part of a data set is missing; ``problem`` says which."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class DataError(InputError):
    """A part of a data set is wrong; ``problem`` says which."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def check_text(paths: Iterable[Path], place: Path, report: "Report") -> None:
    """Report files whose names are no text in UTF-8, which no list, log or page can hold.

    Args:
        paths: The files.
        place: The data set's folder.
        report: Receives the problem.
    """
    paths = list(paths)
    odd = [path for path in paths if not str(path).isascii() and not _is_text(str(path))]
    if odd:
        shown = tuple(readable(path.relative_to(place) if path.is_relative_to(place) else path) for path in odd[:3])
        folder = place.resolve()
        if not _is_text(str(folder)):
            fact = f"the name of the folder {readable(folder)} is not UTF-8"
            report(Problem(kind=NAMES, place=place, fact=fact, cure="rename it: lists, logs and pages are UTF-8"))
            return
        fact = f"{len(odd)} of {len(paths)} files in {readable(place.resolve())} have names that are not UTF-8"
        cure = (
            f"convmv -r -f latin1 -t utf8 --notest {shlex.quote(readable(place.resolve()))} renames them, if they came"
            " from a Western Windows (-f gbk: a Chinese one)"
        )
        report(Problem(kind=NAMES, place=place, fact=fact, cure=cure, examples=shown))


def readable(path: Path) -> str:
    """A path as text that can be written anywhere; bytes that are no UTF-8 are shown by their numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


Report = Callable[[Problem], None]
"""Receives a problem that a reader finds. When it returns, the reader continues with what it can read."""


def stop(problem: Problem) -> None:
    """Raise the problem as an error: the report of a training run.

    Raises:
        MissingDataError: a part of the data set is missing.
        DataError: a part of the data set is wrong.
    """
    raise problem.error()
