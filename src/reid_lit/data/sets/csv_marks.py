"""What else a user's table says of its images: the column ``clothes``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reid_lit.data.sets.crops import numbers
from reid_lit.data.sets.csv_rows import CsvRow
from reid_lit.records import Shot, Split
from reid_lit.wording import counted


def with_marks(split: Split, rows: Sequence[CsvRow], paths: Mapping[int, Path]) -> Split:
    """The split whose shots say what their rows say; a cell may be empty.

    Clothes are any text, and only those of one person are compared: two persons may wear ``red``, or have clothes with
    numbers of their own.

    Args:
        split: Of these rows.
        rows: The rows.
        paths: The path of the image of each row, by its line.
    """
    clothes = {paths[row.line]: row.clothes for row in rows if row.clothes}
    if not clothes:
        return split
    number = numbers(clothes.values(), first=0)
    worn = {(row.person, row.clothes) for row in rows if row.clothes}
    note = f"clothes: {counted(len(worn), 'pair')} of person and clothes on {counted(len(clothes), 'image')}"

    def marked(shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
        return tuple(
            replace(shot, clothes_id=number[clothes[shot.path]]) if shot.path in clothes else shot for shot in shots
        )

    return replace(split.with_lists(marked), notes=(*split.notes, note))
