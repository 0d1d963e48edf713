"""Counts of images, persons and cameras, of a list and by the authors of a data set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reid_lit.kinds import said
from reid_lit.records import JUNK, Shot, Split
from reid_lit.wording import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Numbers of a list's images, persons and cameras.

    Attributes:
        images: Images, junk included.
        persons: Persons, junk left out.
        cameras: Cameras; None where an official count is unknown.
        junk: Junk images; None where an official count is unknown.
    """

    images: int
    persons: int
    cameras: int | None = None
    junk: int | None = None

    def __str__(self) -> str:
        if self.images and self.junk == self.images and self.cameras is not None:
            return said(f"{counted(self.images, 'image')} of unknown persons, {counted(self.cameras, 'camera')}")
        junk = f" ({self.junk} junk)" if self.junk else ""
        cameras = "" if self.cameras is None else f", {counted(self.cameras, 'camera')}"
        return said(f"{counted(self.images, 'image')}{junk}, {counted(self.persons, 'person')}{cameras}")


def count(shots: Iterable[Shot]) -> Count:
    """Count the images, persons, cameras and junk of a list."""
    shots = tuple(shots)
    return Count(
        images=len(shots),
        persons=len({shot.person_id for shot in shots} - {JUNK}),
        cameras=len({shot.camera_id for shot in shots}),
        junk=sum(shot.person_id == JUNK for shot in shots),
    )


def is_whole(split: Split, official: Mapping[str, Count]) -> bool | None:
    """Whether a test has the official numbers of images and persons; None where none are known.

    Args:
        split: The query and the gallery of a test.
        official: Counts by the names of lists, with the test's name before ``query`` and ``gallery`` where a data set
            has several tests.
    """
    answers = []
    for role, shots in (("query", split.query), ("gallery", split.gallery)):
        expected = official.get(role) or official.get(f"{split.name} {role}")
        if expected is not None:
            actual = count(shots)
            answers.append((actual.images, actual.persons) == (expected.images, expected.persons))
    return all(answers) if answers else None


def describe(split: Split, validation: Split | None) -> str:
    """Counts of images, persons and cameras of each list, and the notes, for the log."""
    if not split.train and not split.query:  # plain images, to be embedded
        return f"{split.name}: {counted(len(split.gallery), 'image')}"
    lists = split.lists
    if validation is not None:
        lists |= {"validation query": validation.query, "validation gallery": validation.gallery}
    counts = "; ".join(f"{name} {count(shots)}" for name, shots in lists.items() if shots or split.query)
    return "\n".join([f"{split.name}: {counts}", *(f"{split.name}: {said(note)}" for note in split.notes)])
