"""What is known of the images or persons of a test: the columns of a table besides those that list images."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_lit.data.sets.csv_columns import ROLES, box_columns
from reid_lit.data.sets.csv_file import locate
from reid_lit.data.sets.csv_rows import COLUMNS, read_cells
from reid_lit.errors import InputError, UserError
from reid_lit.files.box import boxed
from reid_lit.records import absolute_path
from reid_lit.wording import unknown

MOST_VALUES = 20
"""Values of a column that makes groups, unless it is named."""
KEYS = ("path", "person")


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """The columns of a table that make groups.

    Attributes:
        file: The table.
        columns: The value of each row, by the name of the column.
        paths: The row of each image, by its absolute path; empty: the rows are persons.
        names: The row of each image whose file name stands once in the table.
        persons: The row of each person, by number.
        passed: What was left out, in words.
    """

    file: Path
    columns: Mapping[str, Sequence[str]]
    paths: Mapping[str, int]
    names: Mapping[str, int]
    persons: Mapping[int, int]
    passed: tuple[str, ...] = ()

    def rows(self, paths: Sequence[str], persons: Sequence[int], *, numbered: bool) -> list[int | None]:
        """The row of each image: by its path, else by its file name or its person; None without one.

        Args:
            paths: Of the images.
            persons: Of the images.
            numbered: Whether they are of the data set whose names and numbers the table has; another one may have the
                same ones for others.
        """
        if not numbered:
            return [self.paths.get(path) for path in paths]
        if not self.paths:
            return [self.persons.get(person) for person in persons]
        found = (self.paths.get(path) for path in paths)
        named = (self.names.get(Path(path).name) for path in paths)
        return [other if row is None else row for row, other in zip(found, named, strict=True)]

    def values(self, column: str, rows: Sequence[int | None]) -> list[str]:
        """The value of a column for each image; empty where there is none."""
        cells = self.columns[column]
        return ["" if row is None else cells[row] for row in rows]


def read_attributes(file: Path, columns: Sequence[str] | None = None) -> Attributes:
    """Read a table whose rows are images (a column ``path``) or persons (a column ``person`` with their numbers).

    Args:
        file: A CSV file, or a folder with ``reid.csv``.
        columns: Those to make groups of; None: each that has two to :data:`MOST_VALUES` values.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no table, has neither column, says two things of one person, or lacks a column that is named.
    """
    file = locate(file)
    header, cells = read_cells(file)
    words = [name.lower() for name in header]
    key = next((name for name in KEYS if name in words), None)
    if key is None:
        raise InputError(f"attributes={file}: no column path or person but {', '.join(header)}; add one of them")
    boxes = box_columns(file, words)
    listed = {*COLUMNS, *ROLES, *(boxes.names if boxes else ())}
    free = [name for name, word in zip(header, words, strict=True) if word not in listed]
    if lacking := [name for name in columns or () if name not in free]:
        raise InputError(f"columns={list(columns or ())}: {unknown('column', lacking[0], free or ['none'])} in {file}")
    kept = {name: [row[header.index(name)].strip() for row in cells] for name in columns or free}
    passed = [] if columns else [name for name in kept if not 2 <= _known(kept[name]) <= MOST_VALUES]
    place = words.index(key)
    return Attributes(
        file=file,
        columns={name: values for name, values in kept.items() if name not in passed},
        paths=_paths(file, cells, place, boxes) if key == "path" else {},
        names=_once([Path(row[place]).name for row in cells]) if key == "path" else {},
        persons={} if key == "path" else _persons(file, [row[place].strip() for row in cells]),
        passed=tuple(_why(name, _known(kept[name])) for name in passed),
    )


def _known(values: Sequence[str]) -> int:
    return len(set(values) - {""})


def _why(name: str, number: int) -> str:
    if number < 2:
        return f"{name} has {number or 'no'} value{'' if number == 1 else 's'} and parts nobody"
    return f"{name} has {number:,} values; columns=[{name}] makes a group of each"


def _paths(file: Path, cells: Sequence[Sequence[str]], place: int, boxes: Any) -> dict[str, int]:
    found = {}
    for number, row in enumerate(cells):
        box = boxes.box(row) if boxes else None
        found[absolute_path(boxed(file.parent / row[place], None if isinstance(box, str) else box))] = number
    return found


def _once(names: Sequence[str]) -> dict[str, int]:
    counts = Counter(names)
    return {name: number for number, name in enumerate(names) if counts[name] == 1}


def _persons(file: Path, cells: Sequence[str]) -> dict[int, int]:
    """The row of each person.

    Raises:
        ValueError: a person is no number, or is there twice.
    """
    found: dict[int, int] = {}
    for number, text in enumerate(cells):
        if not text.lstrip("-").isdecimal():
            raise InputError(
                f"attributes={file}: person {text!r} is no number as in the data set's file names; give a column path"
            )
        if found.setdefault(int(text), number) != number:
            raise InputError(f"attributes={file}: person {text} is there twice; give one row each, or a column path")
    return found


def own_tables(configs: Iterable[Mapping[str, Any]]) -> list[Path]:
    """The CSV files that a run and its evaluations read, as far as they are there.

    Args:
        configs: Of the run and of its evaluations; ``dataset`` and ``test_on`` are read.
    """
    roots = []
    for node in (node for config in configs for node in (config.get("dataset"), *(config.get("test_on") or ()))):
        if isinstance(node, Mapping) and node.get("root"):
            is_list = str(node.get("_target_", "")).endswith(".CsvList") or node.get("dataset") == "csv"
            roots += [str(node["root"])] if is_list else []
    found = []
    for root in dict.fromkeys(roots):
        try:
            found.append(locate(Path(root)))
        except (UserError, OSError):
            continue
    return found
