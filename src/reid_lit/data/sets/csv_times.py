"""When the images of a user's table were taken: its column ``time``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reid_lit.data.sets.csv_rows import CsvRow
from reid_lit.records import Moment, Shot, Split
from reid_lit.wording import counted

CLOCK = "csv"
"""The clock of all tables: a time is a point of UTC, whichever camera has it."""

EXAMPLE = "2026-11-28T09:30:00+01:00"


def with_times(split: Split, rows: Sequence[CsvRow], paths: Mapping[int, Path]) -> Split:
    """The split whose shots say when they were taken, where their rows do.

    A time is one of ISO 8601, in UTC where it has no zone, or a number of seconds since any start. Training and ranking
    do not need it, so one that cannot be read stops nothing: it is not known, and a note says so.

    Args:
        split: Of these rows.
        rows: The rows.
        paths: The path of the image of each row, by its line.
    """
    moments = {paths[row.line]: moment for row in rows if (moment := _moment(row.time)) is not None}
    unread = [row for row in rows if row.time and paths[row.line] not in moments]
    notes = split.notes
    if unread:
        times = counted(len(unread), "time")
        notes = (*notes, f"{times} not read, such as {unread[0].time!r} in line {unread[0].line}: give {EXAMPLE}")
    if not moments:
        return replace(split, notes=notes)

    def timed(shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
        return tuple(replace(shot, taken=moments.get(shot.path)) for shot in shots)

    return replace(split.with_lists(timed), notes=notes)


def _moment(text: str) -> Moment | None:
    """The point of time that a cell says.

    >>> _moment("1970-01-01 01:00:30.5+01:00"), _moment("12.04").seconds, _moment("noon")
    (Moment(clock='csv', seconds=30.5), 12.04, None)
    """
    if re.fullmatch(r"\d{1,7}(\.\d*)?", text):  # eight digits are a date, 20261128
        return Moment(CLOCK, float(text))
    try:
        found = datetime.fromisoformat(text)
        return Moment(CLOCK, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
