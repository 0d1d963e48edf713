"""The log of a training, a CSV file of numbers: what a power failure or a full disk has left of it."""

import csv
import logging
from pathlib import Path

from reid_lit.wording import counted

_log = logging.getLogger(__name__)

_WHOLE = ("step", "epoch")
"""Columns of whole numbers."""


def read_log(file: Path) -> list[dict[str, str]]:
    """The rows of a log, their filled cells as they stand there; damaged rows are passed over, which is said.

    A row is damaged where it does not end, has not a cell for each column, or has one that is no number.

    Args:
        file: A CSV logger's ``metrics.csv``; no rows where there is none.
    """
    if not file.is_file():
        return []
    header, *lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    names = next(csv.reader([header.rstrip("\r")]), [])
    if not lines or not all(name.isprintable() and "\N{REPLACEMENT CHARACTER}" not in name for name in names):
        _log.warning("%s is passed over: its header is damaged", file)
        return []
    end = lines.pop()  # empty where the last row is whole
    found = [_row(names, line.rstrip("\r")) for line in lines]
    rows = [row for row in found if row is not None]
    if damaged := len(found) - len(rows) + bool(end):
        _log.warning("%s: %s passed over", file, counted(damaged, "damaged row is", "damaged rows are"))
    return rows


def _row(names: list[str], line: str) -> dict[str, str] | None:
    """A row's cells by column, but for the empty ones; None where it is damaged."""
    cells = line.split(",")
    row = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
    try:
        for name, cell in row.items():
            (int if name in _WHOLE else float)(cell)
    except ValueError:
        return None
    return row if len(cells) == len(names) else None


def logged(file: Path, name: str, *, along: str) -> list[tuple[int, float]]:
    """The values of a column by ``step`` or ``epoch``, as far as they were logged.

    Args:
        file: As of :func:`read_log`.
        name: The column.
        along: What the values are given by.
    """
    return [(int(row[along]), float(row[name])) for row in read_log(file) if name in row and along in row]
