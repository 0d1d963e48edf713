"""What can be wrong with a copy of a data set: a reader stops at the first problem, the doctor collects them all."""

from collections.abc import Callable
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: What sort of thing, one of this module's constants or the doctor's own.
        place: The folder or file that it is about.
        fact: What is wrong, with the values: half a sentence.
        cure: What to do about it: half a sentence.
        examples: Up to a few names, relative to ``place`` where they lie below it.
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
        """The exception that a reader raises for it."""
        return MissingDataError(self) if self.kind in (MISSING, NESTED, MISPLACED, EMPTY) else DataError(self)


class MissingDataError(MissingFileError):
    """Something of a data set is not where it should be; ``problem`` says what."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class DataError(InputError):
    """Something of a data set is not as it should be; ``problem`` says what."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


Report = Callable[[Problem], None]
"""Receives the problems that a reader finds. When it returns, the reader goes on with what it can read."""


def stop(problem: Problem) -> None:
    """The report of a training run: nothing wrong is trained on.

    Raises:
        MissingDataError: something is not there.
        DataError: something is not as it should be.
    """
    raise problem.error()
