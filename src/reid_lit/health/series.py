"""Figures by epoch as a CSV file."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from reid_lit.paths import write_text

Figures = dict[str, int | float]
"""The figures of an epoch by name, and ``epoch``."""


def write_series(file: Path, rows: Sequence[Figures]) -> None:
    """Write a line for each row and a column for each name; a figure that a row lacks is empty."""
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())
