"""What a gallery answers: rows that were found, and what became of images that were to be enrolled."""

from dataclasses import asdict, dataclass, field
from typing import Any

from reid_lit.calibration.matching import Match


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A row that was found.

    Attributes:
        number: Of the row.
        path: The file that was enrolled.
        person: As it was enrolled.
        camera: As it was enrolled.
        time: As it was enrolled, ISO 8601 in UTC.
        score: The cosine of both embeddings.
        match: What the score means; None in a gallery of a run that was not calibrated.
    """

    number: int
    path: str
    person: str | None
    camera: str | None
    time: str | None
    score: float
    match: Match | None

    def as_json(self) -> dict[str, Any]:
        """The row in JSON's types; by hand, as ``asdict`` takes ten times as long and answers have many rows."""
        return {**vars(self), "match": None if self.match is None else dict(vars(self.match))}


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """Rows that were found and are not shown, since their score is no match.

    Attributes:
        number: How many.
        threshold: The score from which on rows are shown.
        fmr: Its false match rate.
    """

    number: int
    threshold: float
    fmr: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """The answer to one query.

    Attributes:
        query: What was asked for.
        images: The files that were asked for; none of arrays.
        hits: The nearest rows, nearest first.
        withheld: What the policy does not show of them; None where it shows all.
    """

    query: str
    images: tuple[str, ...]
    hits: tuple[Hit, ...]
    withheld: Withheld | None = None

    @property
    def is_match(self) -> bool | None:
        """Whether the nearest row reaches the threshold; None where nothing was calibrated."""
        if self.hits and self.hits[0].match is None:
            return None
        return any(hit.match is not None and hit.score >= hit.match.threshold for hit in self.hits)

    @property
    def verdict(self) -> str:
        """*match* or *no match*, and *undecided* where the nearest score lies inside the threshold's interval."""
        if not self.hits:
            return "no match" if self.withheld and self.withheld.number else "no image is compared"
        nearest = self.hits[0].match
        if nearest is None:
            return "not calibrated"
        return ("match" if self.is_match else "no match") + (", undecided" if nearest.answer == "undecided" else "")

    def as_json(self) -> dict[str, Any]:
        """The answer in JSON's types."""
        return {
            "query": self.query,
            "images": list(self.images),
            "match": self.is_match,
            "hits": [hit.as_json() for hit in self.hits],
            **({} if self.withheld is None else {"withheld": asdict(self.withheld)}),
        }


@dataclass(kw_only=True)
class Enrolled:
    """What became of the images that were to be enrolled.

    Attributes:
        added: New rows.
        known: Images whose content the gallery, or this list, had already.
        refused: A line for each file that is no image.
    """

    added: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list)
