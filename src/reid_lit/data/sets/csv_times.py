"""When the images of a user's table were taken: its column ``time``."""

import re
from collections import defaultdict
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

MOST = 10**11
"""Seconds since 1970 come to this in the year 5138; a number as large as that counts milliseconds, or is a date."""


def with_times(split: Split, rows: Sequence[CsvRow], paths: Mapping[int, Path]) -> Split:
    """The split whose shots say when they were taken, where their rows do.

    A time is one of ISO 8601, in UTC where it has no zone, or a number of seconds since any start, such as 1970. Eight
    digits are a date. Training and ranking do not need it, so one that cannot be read stops nothing: it is not known,
    and a note says so.

    Args:
        split: Of these rows.
        rows: The rows.
        paths: The path of the image of each row, by its line.
    """
    moments = {paths[row.line]: moment for row in rows if (moment := _moment(row.time)) is not None}
    unread: dict[str, list[CsvRow]] = defaultdict(list)
    for row in rows:
        if row.time and paths[row.line] not in moments:
            unread[_cure(row.time)].append(row)
    notes = split.notes
    for cure, same in unread.items():
        first = f"such as {same[0].time!r} in line {same[0].line}"
        notes = (*notes, f"{counted(len(same), 'time')} not read, {first}: {cure}")
    if not moments:
        return replace(split, notes=notes)

    def timed(shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
        return tuple(replace(shot, taken=moments.get(shot.path)) for shot in shots)

    return replace(split.with_lists(timed), notes=notes)


def _moment(text: str) -> Moment | None:
    """The point of time that a cell says.

    >>> _moment("1970-01-01 01:00:30.5+01:00"), _moment("12.04").seconds, _moment("1709041230.25").seconds
    (Moment(clock='csv', seconds=30.5), 12.04, 1709041230.25)
    >>> _moment("noon"), _moment("1709041230415"), _moment("20260230"), _moment("nan")
    (None, None, None, None)
    """
    if _number(text) and not _date(text):
        return Moment(CLOCK, float(text)) if float(text) < MOST else None
    try:
        found = datetime.fromisoformat(text.partition(".")[0] if _date(text) else text)
        return Moment(CLOCK, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d*)?|\.\d+", text, re.ASCII) is not None


def _date(text: str) -> bool:
    """Whether a cell is a date without marks, 20261128; some programs write ``.0`` behind a number."""
    return re.fullmatch(r"\d{8}(\.0*)?", text, re.ASCII) is not None


def _cure(text: str) -> str:
    """What to write in place of a cell that cannot be read."""
    if _date(text):
        return f"eight digits are a date; give {EXAMPLE}, or seconds since another start"
    if _number(text):
        return f"no seconds; give seconds, such as 1709041230.415, in place of milliseconds, or {EXAMPLE}"
    return f"give {EXAMPLE}"
