"""The rows of a user's table of images: ``path``, ``person``, perhaps ``camera``, ``split`` and a box.

UTF-8, with or without a byte order mark; columns in any order, separated by a comma, semicolon, tab or bar. A column
that is empty in every row counts as missing. :mod:`.csv_columns` says what is a box and what a role;
:func:`unused_columns` names all other columns.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from reid_lit.data.problems import EMPTY, LAYOUT, NAMES, Problem, Report, stop
from reid_lit.data.sets.csv_columns import ROLES, box_columns, role
from reid_lit.files.access import read_bytes
from reid_lit.files.box import Box
from reid_lit.kinds import Kind, common, kind_of, speak_of
from reid_lit.wording import counted

COLUMNS = {
    "path": ("file", "filename", "file_name", "file_path", "filepath", "image", "image_path", "img", "img_path"),
    "person": ("pid", "person_id", "identity", "label", "individual", "individual_id", "name", "person_name", "id"),
    "camera": ("cam", "camid", "cam_id", "camera_id", "camera_name", "viewpoint"),
    "split": ("set", "subset", "partition", "fold"),
}
"""The columns, each with other names in use, which an error points at."""

REQUIRED = ("path",)
TIME = "time"
OPTIONAL = (TIME, "clothes", "kind", "tracklet", "view")
"""Columns that may be empty in some rows."""
BOX_HELP = {
    True: "left, top, right and bottom, the last two behind the box",
    False: "x and y of the left upper corner, width and height (for corners name the columns x_1, y_1, x_2, y_2)",
}
"""What the numbers of a box are, by whether the last two are a corner."""

DELIMITERS = ",;\t|"
EXAMPLES = 3


class CsvRow(NamedTuple):
    """One line; a text is empty without its column or cell, and ``box`` None."""

    line: int
    path: str
    person: str = ""
    camera: str = ""
    split: str = ""
    box: Box | None = None
    time: str = ""
    clothes: str = ""
    kind: str = ""
    tracklet: str = ""
    view: str = ""


def read_rows(file: Path, report: Report = stop) -> list[CsvRow]:
    """The rows of ``file`` in its order.

    Args:
        file: The table.
        report: Receives what is wrong; by default it raises. Rows that cannot be read are left out then.

    Raises:
        FileNotFoundError: there is no row.
        ValueError: the file is no UTF-8 text or no table, a needed column is missing, a row is longer or shorter than
            the first line, a path, person or camera is empty, or a box or a role is none.
    """
    lines = _lines(file)
    _, header = next(lines, (1, []))
    places, names = _places(file, header), [_word(cell) for cell in header]
    even, uneven = [], []
    for line, cells in lines:
        if len(cells) != len(header):
            uneven.append((line, f"has {len(cells)}"))
        else:
            even.append((line, cells))
    if "kind" in names:
        place = names.index("kind")
        speak_of(kind_of_rows(cells[place] for _, cells in even))  # errors of a row say it too
    cure = "put a cell that holds the separator into double quotes"
    tell(file, uneven, f"another number of cells than the {len(header)} of the first line", cure, report)
    if not even:
        cure = f"the first line names the columns ({', '.join(COLUMNS)}), each other line is an image"
        raise Problem(kind=EMPTY, place=file, fact=f"no row in {file.resolve()}", cure=cure).error()
    rows = [
        CsvRow(line, **{name: _cell(name, cells[at]) for name, at in places.items()})  # type: ignore[arg-type]  # texts
        for line, cells in even
    ]
    for name in OPTIONAL:
        if name in names:
            place = names.index(name)
            rows = [row._replace(**{name: cells[place].strip()}) for row, (_, cells) in zip(rows, even, strict=True)]  # type: ignore[arg-type]  # a text
    rows = _filled(file, _with_roles(file, rows, [cells for _, cells in even], names, report), report)
    return _with_boxes(file, rows, dict(even), names, report)


def kind_of_rows(names: Iterable[str]) -> Kind:
    """The kind that the cells of the column ``kind`` name; persons where all are empty."""
    return common(kind_of(name) for name in names if name.strip())


def unused_columns(file: Path) -> list[str]:
    """The names of the columns that nothing is read from."""
    _, header = next(_lines(file), (1, []))
    names = [_word(cell) for cell in header]
    boxes = box_columns(file, names)
    used = {*COLUMNS, *ROLES, *OPTIONAL, *(boxes.names if boxes else ())}
    return [cell.strip() for cell, name in zip(header, names, strict=True) if name not in used]


def read_cells(file: Path) -> tuple[list[str], list[list[str]]]:
    """The first line of a table, and the cells of every other line, whatever the columns are called.

    Args:
        file: The table.

    Raises:
        ValueError: the file is no UTF-8 text or no table, or a row is longer or shorter than the first line.
    """
    (_, header), *lines = [*_lines(file)] or [(1, [])]
    uneven = [(line, f"has {len(cells)}") for line, cells in lines if len(cells) != len(header)]
    cure = "put a cell that holds the separator into double quotes"
    tell(file, uneven, f"another number of cells than the {len(header)} of the first line", cure, stop)
    return [cell.strip() for cell in header], [cells for _, cells in lines]


def _with_roles(
    file: Path, rows: list[CsvRow], cells: list[list[str]], names: Sequence[str], report: Report
) -> list[CsvRow]:
    """The rows with their list, where the columns ``is_query`` and ``is_gallery`` say it."""
    places = {name: names.index(name) for name in ROLES if name in names}
    if not places:
        return rows
    roles = [
        role({name: each[place] for name, place in places.items()}, row.split)
        for row, each in zip(rows, cells, strict=True)
    ]
    bad = [(row.line, text) for row, text in zip(rows, roles, strict=True) if text.startswith("(")]
    tell(file, bad, "another role than query or gallery", "say one of both for each image of a test", report)
    return [row._replace(split=text) for row, text in zip(rows, roles, strict=True) if not text.startswith("(")]


def _with_boxes(
    file: Path, rows: list[CsvRow], cells: Mapping[int, list[str]], names: Sequence[str], report: Report
) -> list[CsvRow]:
    """The rows with their boxes, where the table has columns of them; rows whose box is none are reported."""
    columns = box_columns(file, names)
    if columns is None:
        return rows
    boxes = {row.line: columns.box(cells[row.line]) for row in rows}
    bad = [(line, box) for line, box in boxes.items() if isinstance(box, str)]
    cure = f"{', '.join(columns.names)} are pixels: {BOX_HELP[columns.corners]}; correct or remove them"
    tell(file, bad, "a box that cannot be cut out", cure, report)
    return [row._replace(box=box) for row in rows if not isinstance(box := boxes[row.line], str)]


def _cell(name: str, text: str) -> str:
    return text if name == "path" else text.strip()  # file names may begin or end with a blank, words do not


def _filled(file: Path, rows: list[CsvRow], report: Report) -> list[CsvRow]:
    """Report rows with an empty cell in a column that is required or filled elsewhere; return the other rows."""
    for name in COLUMNS:
        empty = [row for row in rows if not getattr(row, name)]
        if empty and (name in REQUIRED or len(empty) < len(rows)):
            cure = "fill them in or remove these rows"
            if name == "person":
                cure += "; -1 is nobody who is known"
            elif name not in REQUIRED:
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
    first, mark = _excels_mark(text)
    reader = csv.reader(io.StringIO(text[first:], newline=""), delimiter=mark or _delimiter(text), strict=True)
    passed = text[:first].count("\n")
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num + passed, cells
    except csv.Error as error:
        fact, cure = (
            f"{file.resolve()}, line {reader.line_num + passed}: {error}",
            "close every double quote that is opened",
        )
        raise Problem(kind=LAYOUT, place=file, fact=fact, cure=cure).error() from error


def _excels_mark(text: str) -> tuple[int, str]:
    """Where the table begins, and the delimiter: Excel names it in a line of its own, ``sep=;``."""
    found = re.match(r'\s*"?sep=([,;\t|])"?[ ,;\t|]*(\r\n|\n|\r)', text, re.IGNORECASE)
    return (found.end(), found[1]) if found else (0, "")


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
            f"rename {near[0]!r} to {name!r}" if near else "it must name path and, where known, person, camera, split"
        )
        cure += ", or to 'view' where it is the side that an image shows" * (near == ["viewpoint"])
        raise Problem(kind=LAYOUT, place=file, fact=fact, cure=cure).error()
