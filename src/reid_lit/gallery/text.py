"""What a gallery says on a terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.gallery.answers import Enrolled, Found, Hit
from reid_lit.kinds import PERSON, Kind
from reid_lit.wording import counted

SHOWN = 10
"""Refused files that are named."""


def enrolled_lines(result: Enrolled, *, total: int) -> Iterator[str]:
    """What became of the images that were to be enrolled."""
    known = f", {result.known:,} were known by their content" if result.known else ""
    yield f"{counted(result.added, 'image is', 'images are', grouped=True)} enrolled{known}; the gallery has {total:,}"
    yield from result.refused[:SHOWN]
    if len(result.refused) > SHOWN:
        yield f"and {len(result.refused) - SHOWN:,} more files that are no images"


def show_found(found: Sequence[Found], console: Console, kind: Kind = PERSON) -> None:
    """Print the answers of a gallery of this kind, a table each."""
    for answer in found:
        table = Table("", kind.one, "camera", "time", "score", "P(same)", title=escape(answer.query))
        table.add_column("image", overflow="fold")
        for place, hit in enumerate(answer.hits, 1):
            table.add_row(str(place), *_row(hit))
        table.caption = _caption(answer)
        console.print(table)


def _caption(answer: Found) -> str:
    if answer.withheld and answer.withheld.number and not answer.hits:
        said = f"the threshold {answer.withheld.threshold:.3f} at FMR {answer.withheld.fmr:g}"
        below = counted(answer.withheld.number, "image is", "images are", grouped=True)
        return f"no match: no score reaches {said}; {below} withheld"
    if not answer.hits:
        return "no image may be found"
    match = answer.hits[0].match
    if match is None:
        return "not calibrated: python -m reid_lit.calibrate says which scores are a match"
    said = (
        f"the threshold {match.threshold:.3f} at FMR {match.fmr:g}, 95 % interval {match.low:.3f} to {match.high:.3f}"
    )
    if answer.withheld and answer.withheld.number:
        said += f"; {counted(answer.withheld.number, 'image', grouped=True)} below it withheld"
    return f"{answer.verdict}: {'reaches' if answer.is_match else 'no score reaches'} {said}"


def _row(hit: Hit) -> list[str]:
    matched = hit.match
    said = "" if matched is None else f"{matched.probability:.2f} {matched.answer}"
    cells = [hit.person or "–", hit.camera or "–", hit.time or "–", f"{hit.score:.3f}", said, hit.path]
    return [escape(cell) for cell in cells]


def show_rows(rows: Sequence[dict[str, Any]], console: Console, kind: Kind = PERSON) -> None:
    """Print rows of a gallery of this kind without their vectors."""
    table = Table("number", kind.one, "camera", "time")
    table.add_column("image", overflow="fold")
    for row in rows:
        cells = [row["person"] or "–", row["camera"] or "–", str(row["time"] or "–"), row["path"]]
        table.add_row(str(row["number"]), *(escape(cell) for cell in cells))
    table.caption = counted(len(rows), "image", grouped=True)
    console.print(table)
