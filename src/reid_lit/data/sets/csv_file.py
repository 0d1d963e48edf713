"""A user's own crops, listed in a CSV file: ``path``, ``person``, and perhaps ``camera`` and ``split``.

``python -m reid_lit.init folder=<folder>`` writes such a file. Paths are absolute or start at the file's folder;
persons and cameras are any text, numbered as in :mod:`.person_folders`; person ``-1`` is junk. ``split`` is ``train``,
``val``, ``query`` or ``gallery``; without it, the lists are drawn as :mod:`.person_folders` draws them. The order of
the lines does not matter: each list is sorted by person, camera and path.
"""

import csv
import io
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from reid_lit.data.problems import EMPTY, LISTS, MISSING, Problem, Report, stop
from reid_lit.data.sets.crops import NEEDED, WORDS, Crop, drawn, ready_made
from reid_lit.data.sets.csv_rows import CsvRow, read_rows, tell
from reid_lit.files.access import entries, is_dir, is_file
from reid_lit.overrides import assignment
from reid_lit.records import Split, absolute_path

FILE = "reid.csv"
"""The name of the file in a folder."""


def read(root: Path, *, train_fraction: float = 0.5, split_seed: int = 0, report: Report = stop) -> Split:
    """The images that the file lists.

    Args:
        root: The file, or a folder that holds ``reid.csv``.
        train_fraction: Share of the persons to train on, in (0, 1), where the file has no ``split``.
        split_seed: Seed of that choice.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such file, no row, or not every image.
        ValueError: a row is wrong, an image is listed twice, a person is on two sides, or a list is missing.
    """
    file = locate(root)
    rows = _checked(file, read_rows(file, report), report)
    crops = {row.line: Crop(row.person, row.camera, file.parent / row.path) for row in rows}
    rows = sorted(rows, key=lambda row: (row.person, row.camera, row.path))
    if not any(row.split for row in rows):
        listed = [crops[row.line] for row in rows]
        return drawn(listed, name="csv", place=file, train_fraction=train_fraction, split_seed=split_seed)
    lists = {word: [crops[row.line] for row in rows if row.split == word] for word in WORDS}
    _check_lists(file, lists)
    lines = {crop.path: line for line, crop in crops.items()}
    split = ready_made(lists, name="csv", place=file, source=lambda crop: f"line {lines[crop.path]}", report=report)
    return replace(split, notes=(f"lists: the column split of {file.name}", *split.notes))


def locate(root: Path) -> Path:
    """The file at ``root``.

    Raises:
        FileNotFoundError: it is not there.
    """
    if is_file(root):
        return root
    if is_file(root / FILE):
        return root / FILE
    if not is_dir(root):
        fact, cure = f"no such file: {root.resolve()}", f"point dataset.root at a CSV file or at a folder with {FILE}"
        raise Problem(kind=MISSING, place=root, fact=fact, cure=cure).error()
    tables = sorted(name for name, _ in entries(root) if name.endswith(".csv"))
    fact = f"no {FILE} in {root.resolve()}" + (f", only {', '.join(tables[:3])}" if tables else "")
    cure = f"python -m reid_lit.init {shlex.quote(assignment('folder', root))} writes one"
    cure += "; or point dataset.root at the file" * bool(tables)
    raise Problem(kind=MISSING, place=root, fact=fact, cure=cure).error()


def csv_parts(root: Path) -> dict[str, Path | bytes]:
    """The images of the rows by their paths below the folder that holds all of them, and ``reid.csv`` with these paths.

    Raises:
        FileNotFoundError: there is no such file, no row, or not every image.
        ValueError: a row is wrong, or an image is listed twice.
    """
    file = locate(root)
    rows = _checked(file, read_rows(file), stop)
    paths = [_key(file, row) for row in rows]
    common = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120 - thousands of plain texts
    names = [Path(path).relative_to(common).as_posix() for path in paths]
    columns = ["path", *(name for name in ("person", "camera", "split") if any(getattr(row, name) for row in rows))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([name, *(getattr(row, key) for key in columns[1:])] for name, row in zip(names, rows, strict=True))
    images: dict[str, Path | bytes] = {name: Path(path) for name, path in zip(names, paths, strict=True)}
    if FILE in images:
        fact, cure = f"{file.resolve()} lists an image called {FILE}", "rename it: the list has that name in a pack"
        raise Problem(kind=LISTS, place=file, fact=fact, cure=cure).error()
    return {FILE: text.getvalue().encode()} | images


def _checked(file: Path, rows: Sequence[CsvRow], report: Report) -> list[CsvRow]:
    """The rows that can be used, with ``split`` in small letters."""
    rows = _known_words(file, rows, report)
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(_key(file, row), row.line)
    repeats = [row for row in rows if first[_key(file, row)] != row.line]
    lines = [(row.line, f"repeats line {first[_key(file, row)]}: {row.path}") for row in repeats]
    tell(file, lines, "an image that is listed already", "remove them, or correct their paths", report, LISTS)
    rows = [row for row in rows if first[_key(file, row)] == row.line]
    gone = [row for row in rows if not is_file(file.parent / row.path)]
    cure = f"paths must be absolute or start at {file.parent.resolve()}"
    if any("\\" in row.path for row in gone):
        cure += ", with / between folders"
    tell(file, [(row.line, f"({row.path})") for row in gone], "a file that is not there", cure, report, MISSING)
    absent = {row.line for row in gone}
    return [row for row in rows if row.line not in absent]


def _key(file: Path, row: CsvRow) -> str:
    return absolute_path(file.parent / row.path)


def _known_words(file: Path, rows: Sequence[CsvRow], report: Report) -> list[CsvRow]:
    rows = [row._replace(split=row.split.lower()) for row in rows]
    bad = [row for row in rows if row.split and row.split not in WORDS]
    near = get_close_matches(bad[0].split, WORDS, n=1) if bad else []
    hint = f"did you mean {near[0]}?" if near else "a test ranks the images of gallery for each image of query"
    lines = [(row.line, f"({row.split!r})") for row in bad]
    tell(file, lines, f"another split than {', '.join(WORDS)}", hint, report)
    return [row for row in rows if not row.split or row.split in WORDS]


def _check_lists(file: Path, lists: dict[str, list[Crop]]) -> None:
    missing = [word for word in NEEDED if not lists[word]]
    if missing:
        present = ", ".join(f"{len(crops)} {word}" for word, crops in lists.items() if crops) or "no"
        rows = "row" if sum(map(len, lists.values())) == 1 else "rows"
        fact = f"{file.resolve()} has {present} {rows} but none with split {' or '.join(missing)}"
        cure = "a test needs query and gallery (a training, train too); or remove the column split to have lists drawn"
        raise Problem(kind=EMPTY, place=file, fact=fact, cure=cure).error()
