"""The rows of a user's table of images: ``path``, ``person`` and perhaps ``camera`` and ``split``, with line numbers.

UTF-8, with or without a byte order mark; columns in any order, separated by a comma, semicolon, tab or bar; other
columns are ignored. A column that is empty in every row counts as missing.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from reid_lit.data.problems import EMPTY, LAYOUT, NAMES, Problem, Report, stop
from reid_lit.files.access import read_bytes
from reid_lit.wording import counted

COLUMNS = {
    "path": ("file", "filename", "file_name", "image", "image_path", "img", "img_path"),
    "person": ("pid", "id", "person_id", "identity", "label"),
    "camera": ("cam", "camid", "cam_id", "camera_id"),
    "split": ("set", "subset", "partition"),
}
"""The columns, each with other names in use, which an error points at."""

REQUIRED = ("path", "person")
DELIMITERS = ",;\t|"
EXAMPLES = 3


class CsvRow(NamedTuple):
    """One line; ``camera`` and ``split`` are empty where the file has no such column."""

    line: int
    path: str
    person: str
    camera: str = ""
    split: str = ""


def read_rows(file: Path, report: Report = stop) -> list[CsvRow]:
    """The rows of ``file`` in its order.

    Args:
        file: The table.
        report: Receives what is wrong; by default it raises. Rows that cannot be read are left out then.

    Raises:
        FileNotFoundError: there is no row.
        ValueError: the file is no UTF-8 text or no table, a needed column is missing, a row is longer or shorter than
            the first line, or a path, person or camera is empty.
    """
    lines = _lines(file)
    _, header = next(lines, (1, []))
    places = _places(file, header)
    rows, uneven = [], []
    for line, cells in lines:
        if len(cells) != len(header):
            uneven.append((line, f"has {len(cells)}"))
        else:
            rows.append(CsvRow(line, **{name: _cell(name, cells[place]) for name, place in places.items()}))
    cure = "put a cell that holds the separator into double quotes"
    tell(file, uneven, f"another number of cells than the {len(header)} of the first line", cure, report)
    if not rows:
        cure = f"the first line names the columns ({', '.join(COLUMNS)}), each other line is an image"
        raise Problem(kind=EMPTY, place=file, fact=f"no row in {file.resolve()}", cure=cure).error()
    return _filled(file, rows, report)


def _cell(name: str, text: str) -> str:
    return text if name == "path" else text.strip()  # file names may begin or end with a blank, words do not


def _filled(file: Path, rows: list[CsvRow], report: Report) -> list[CsvRow]:
    """Report rows with an empty cell in a column that is required or filled elsewhere; return the other rows."""
    for name in COLUMNS:
        empty = [row for row in rows if not getattr(row, name)]
        if empty and (name in REQUIRED or len(empty) < len(rows)):
            cure = "fill them in or remove these rows"
            if name not in REQUIRED:
                cure = f"fill all of them in, or leave the whole column empty where no {name} is known"
            tell(file, [(row.line, "") for row in empty], f"no {name}", cure, report)
            rows = [row for row in rows if getattr(row, name)]
    return rows


def tell(file: Path, bad: Iterable[tuple[int, str]], fact: str, cure: str, report: Report, kind: str = NAMES) -> None:
    """Report lines that share a fault, if there are any.

    Args:
        file: The table.
        bad: The number of each line and its details.
        fact: What is wrong with them, after "3 rows with".
        cure: What to do about it.
        report: Receives the problem.
        kind: The kind of the problem.
    """
    lines = [f"line {line} {details}".rstrip() for line, details in bad]
    if lines:
        fact = f"{counted(len(lines), 'row')} with {fact} in {file.resolve()}"
        report(Problem(kind=kind, place=file, fact=fact, cure=cure, examples=tuple(lines[:EXAMPLES])))


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not blank; the first is the header."""
    text = _text(file)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        fact, cure = f"{file.resolve()}, line {reader.line_num}: {error}", "close every double quote that is opened"
        raise Problem(kind=LAYOUT, place=file, fact=fact, cure=cure).error() from error


def _text(file: Path) -> str:
    data = read_bytes(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        fact = f"{file.resolve()} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}"
        cure = "save it as CSV in UTF-8; if it is an archive or a spreadsheet, unpack or export it"
        raise Problem(kind=LAYOUT, place=file, fact=fact, cure=cure).error() from error


def _delimiter(text: str) -> str:
    """The delimiter that separates most of the column names in the first line that is not blank."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    known = {*COLUMNS, *chain.from_iterable(COLUMNS.values())}
    cells = {mark: [_word(cell) for cell in first.split(mark)] for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: (len(known.intersection(cells[mark])), len(cells[mark])))


def _word(cell: str) -> str:
    return cell.strip().strip('"').strip().lower()


def _places(file: Path, header: list[str]) -> dict[str, int]:
    """The place of each column.

    Raises:
        ValueError: a column is missing, is there twice, or may be there under another name.
    """
    names = [_word(cell) for cell in header]
    if len(names) == 1:
        fact = f"the first line of {file.resolve()} is a single cell, {header[0]!r}"
        cure = "separate path, person, camera and split by a comma, semicolon, tab or |"
        raise Problem(kind=LAYOUT, place=file, fact=fact, cure=cure).error()
    for name, aliases in COLUMNS.items():
        if names.count(name) > 1:
            fact = f"the first line of {file.resolve()} has the column {name!r} {names.count(name)} times"
            raise Problem(kind=LAYOUT, place=file, fact=fact, cure="rename or remove all but one").error()
        if header and name not in names:
            _check_missing(file, name, names, aliases)
    return {name: names.index(name) for name in COLUMNS if name in names}


def _check_missing(file: Path, name: str, names: list[str], aliases: tuple[str, ...]) -> None:
    """Raise DataError if the column is required or may be there under another name."""
    near = [alias for alias in aliases if alias in names]
    near = near or [word for word in get_close_matches(name, names, cutoff=0.8) if word not in COLUMNS]
    if near or name in REQUIRED:
        fact = f"the first line of {file.resolve()} has no column {name!r} but {', '.join(map(repr, names))}"
        cure = (
            f"rename {near[0]!r} to {name!r}" if near else "it must name path, person and, where known, camera, split"
        )
        raise Problem(kind=LAYOUT, place=file, fact=fact, cure=cure).error()
