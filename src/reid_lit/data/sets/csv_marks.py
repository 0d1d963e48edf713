"""What else a user's table says of its images: the columns ``clothes``, ``tracklet`` and ``view``."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_lit.data.sets.crops import numbers
from reid_lit.data.sets.csv_rows import CsvRow
from reid_lit.records import Shot, Split
from reid_lit.wording import counted

SHOWN = 8
"""Views that a note names."""


def with_marks(split: Split, rows: Sequence[CsvRow], paths: Mapping[int, Path]) -> Split:
    """The split whose shots say what their rows say; a cell may be empty.

    Clothes are any text, and only those of one person are compared: two persons may wear ``red``, or have clothes with
    numbers of their own. A tracklet is of one person and one camera: others may have one of the same name. A view is
    written in large or small letters alike.

    Args:
        split: Of these rows.
        rows: The rows.
        paths: The path of the image of each row, by its line.
    """
    clothes = numbers((row.clothes for row in rows if row.clothes), first=0)
    tracks = {key: number for number, key in enumerate(dict.fromkeys(_track(row) for row in rows if row.tracklet))}
    if not clothes and not tracks and not any(row.view for row in rows):
        return split
    marks: dict[Path, dict[str, Any]] = {
        paths[row.line]: {
            "clothes_id": clothes.get(row.clothes),
            "track_id": tracks.get(_track(row)),
            "view": row.view.lower() or None,
        }
        for row in rows
    }

    def marked(shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
        return tuple(replace(shot, **marks[shot.path]) for shot in shots)

    return replace(split.with_lists(marked), notes=(*split.notes, *_notes(rows, len(tracks))))


def _track(row: CsvRow) -> tuple[str, str, str]:
    return row.person, row.camera, row.tracklet


def _notes(rows: Sequence[CsvRow], tracks: int) -> Iterator[str]:
    worn = [(row.person, row.clothes) for row in rows if row.clothes]
    if worn:
        yield f"clothes: {counted(len(set(worn)), 'pair')} of person and clothes on {counted(len(worn), 'image')}"
    if tracks:
        yield f"tracks: {tracks}, of {counted(sum(bool(row.tracklet) for row in rows), 'image')}"
    views = Counter(row.view.lower() for row in rows if row.view)
    if views:
        unknown = len(rows) - views.total()
        shown = ", ".join(f"{name} {images:,}" for name, images in views.most_common(SHOWN))
        more = f" and {len(views) - SHOWN} more" if len(views) > SHOWN else ""
        yield f"views: {shown}{more}" + (f"; {counted(unknown, 'image')} of unknown view" if unknown else "")
