"""Images, persons and cameras of a list of shots, counted and as the data set's authors counted them."""

from collections.abc import Iterable
from dataclasses import dataclass

from reid_lit.records import JUNK, Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How much a list holds.

    Attributes:
        images: Images, junk included.
        persons: Persons; junk is none.
        cameras: Cameras; None in official counts that do not say.
        junk: Images of nobody in particular; None likewise.
    """

    images: int
    persons: int
    cameras: int | None = None
    junk: int | None = None

    def __str__(self) -> str:
        junk = f" ({self.junk} junk)" if self.junk else ""
        cameras = "" if self.cameras is None else f", {self.cameras} cameras"
        return f"{self.images} images{junk}, {self.persons} persons{cameras}"


def count(shots: Iterable[Shot]) -> Count:
    """What a list of shots holds."""
    shots = tuple(shots)
    return Count(
        images=len(shots),
        persons=len({shot.person_id for shot in shots} - {JUNK}),
        cameras=len({shot.camera_id for shot in shots}),
        junk=sum(shot.person_id == JUNK for shot in shots),
    )
