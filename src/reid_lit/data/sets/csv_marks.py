"""What else a user's table says of its images: the columns ``clothes``, ``tracklet`` and ``view``."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_lit.data.sets.crops import numbers
from reid_lit.data.sets.csv_rows import CsvRow
from reid_lit.data.sets.person_names import means_nobody
from reid_lit.records import Shot, Split
from reid_lit.wording import counted

SHOWN = 8
"""Views that a note names."""

MARKS = ("clothes", "tracklet", "view")
"""The columns."""


def with_marks(split: Split, rows: Sequence[CsvRow], paths: Mapping[int, Path]) -> Split:
    """The split whose shots say what their rows say; a cell may be empty, or a word for what is not known.

    Clothes are any text, and only those of one person are compared: two persons may wear ``red``, or have clothes with
    numbers of their own. A tracklet is of one person and one camera: others may have one of the same name. Clothes and
    views are written in large or small letters alike. Words such as ``unknown``, ``nan`` and ``-1`` are no clothes, no
    tracklet and no view, and a note counts them.

    Args:
        split: Of these rows.
        rows: The rows.
        paths: The path of the image of each row, by its line.
    """
    written, rows = rows, [_told(row) for row in rows]
    clothes = numbers((row.clothes for row in rows if row.clothes), first=0)
    tracks = {key: number for number, key in enumerate(dict.fromkeys(_track(row) for row in rows if row.tracklet))}
    notes = (*split.notes, *_notes(rows, len(tracks)), *_unknown(written, rows))
    if not clothes and not tracks and not any(row.view for row in rows):
        return replace(split, notes=notes)
    marks: dict[Path, dict[str, Any]] = {
        paths[row.line]: {
            "clothes_id": clothes.get(row.clothes),
            "track_id": tracks.get(_track(row)),
            "view": row.view or None,
        }
        for row in rows
    }

    def marked(shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
        return tuple(replace(shot, **marks[shot.path]) for shot in shots)

    return replace(split.with_lists(marked), notes=notes)


def _told(row: CsvRow) -> CsvRow:
    clothes, tracklet, view = (_known(name, getattr(row, name)) for name in MARKS)
    return row._replace(clothes=clothes, tracklet=tracklet, view=view)


def _known(name: str, text: str) -> str:
    """One form of what a cell says; empty where that means nothing.

    >>> _known("clothes", "Red"), _known("tracklet", "a7C"), _known("tracklet", "-1"), _known("view", "-30")
    ('red', 'a7C', '', '-30')
    """
    angle = name == "view" and re.fullmatch(r"-\d+", text) is not None and text != "-1"
    if means_nobody(text) and not angle:
        return ""
    text = unicodedata.normalize("NFC", text)
    return text if name == "tracklet" else text.lower()  # trackers tell their names by large and small letters


def _unknown(written: Sequence[CsvRow], rows: Sequence[CsvRow]) -> Iterator[str]:
    """A note for each column with words that mean nothing."""
    for name in MARKS:
        words = [getattr(one, name) for one, row in zip(written, rows, strict=True) if not getattr(row, name)]
        found = Counter(filter(None, words))
        if found:
            shown = ", ".join(repr(word) for word, _ in found.most_common(3))
            yield f"{name}: {counted(found.total(), 'image')} of an unknown one, written {shown}"


def _track(row: CsvRow) -> tuple[str, str, str]:
    return row.person, row.camera, row.tracklet


def _notes(rows: Sequence[CsvRow], tracks: int) -> Iterator[str]:
    worn = [(row.person, row.clothes) for row in rows if row.clothes]
    if worn:
        yield f"clothes: {counted(len(set(worn)), 'pair')} of person and clothes on {counted(len(worn), 'image')}"
    if tracks:
        yield f"tracks: {tracks}, of {counted(sum(bool(row.tracklet) for row in rows), 'image')}"
    views = Counter(row.view for row in rows if row.view)
    if views:
        unknown = len(rows) - views.total()
        shown = ", ".join(f"{name} {images:,}" for name, images in views.most_common(SHOWN))
        more = f" and {len(views) - SHOWN} more" if len(views) > SHOWN else ""
        yield f"views: {shown}{more}" + (f"; {counted(unknown, 'image')} of unknown view" if unknown else "")
