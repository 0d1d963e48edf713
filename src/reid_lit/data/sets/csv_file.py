"""A user's own crops, listed in a CSV file: ``path``, ``person``, perhaps ``camera``, ``split`` and more.

``python -m reid_lit.init folder=<folder>`` writes such a file. Paths are absolute or start at the file's folder;
persons and cameras are any text, numbered as in :mod:`.person_folders`; person ``-1`` is junk. ``split`` is ``train``,
``val``, ``query`` or ``gallery``; without it, the lists are drawn as :mod:`.person_folders` draws them. The order of
the lines does not matter: each list is sorted by person, camera and path. A row with a box is that part of its image;
rows of a file without the column ``person`` can only be adapted to.
"""

import csv
import io
import os
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from reid_lit.data.file_headers import upright_size
from reid_lit.data.problems import EMPTY, LISTS, MISSING, NAMES, Problem, Report, stop
from reid_lit.data.sets.camera_names import why_cameras
from reid_lit.data.sets.crops import NEEDED, WORDS, drawn, ready_made, unlabelled
from reid_lit.data.sets.csv_columns import CORNERS
from reid_lit.data.sets.csv_marks import with_marks
from reid_lit.data.sets.csv_rows import OPTIONAL, CsvRow, kind_of_rows, read_rows, tell
from reid_lit.data.sets.csv_times import with_times
from reid_lit.data.sets.person_names import JUNK_NAME, Crop, settled
from reid_lit.files.access import entries, is_dir, is_file
from reid_lit.files.box import Box, boxed
from reid_lit.kinds import speak_of
from reid_lit.overrides import assignment
from reid_lit.records import Split, absolute_path
from reid_lit.wording import counted

FILE = "reid.csv"
"""The name of the file in a folder."""


def read(
    root: Path,
    *,
    train_fraction: float = 0.5,
    split_seed: int = 0,
    junk: Iterable[str | int] = (JUNK_NAME,),
    report: Report = stop,
) -> Split:
    """The images that the file lists.

    Args:
        root: The file, or a folder that holds ``reid.csv``.
        train_fraction: Share of the persons to train on, in (0, 1), where the file has no ``split``.
        split_seed: Seed of that choice.
        junk: The names of persons that are junk.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such file, no row, or not every image.
        ValueError: a row is wrong, an image is listed twice, a person is on two sides, or a list is missing.
    """
    file = locate(root)
    listed = read_rows(file, report)
    kind = kind_of_rows(row.kind for row in listed)
    speak_of(kind)
    rows = _checked(file, listed, report)
    paths = {row.line: boxed(file.parent / row.path, row.box) for row in rows}
    choice = {"train_fraction": train_fraction, "split_seed": split_seed}
    split = with_times(_split(file, rows, paths, choice, junk, report), rows, paths)
    return replace(with_marks(split, rows, paths), kind=kind)


def _split(
    file: Path,
    rows: Sequence[CsvRow],
    paths: Mapping[int, Path],
    choice: dict[str, Any],
    junk: Iterable[str | int],
    report: Report,
) -> Split:
    """The split of some rows; ``choice`` says which persons train where the rows do not."""
    crops = [Crop(row.person, row.camera, paths[row.line]) for row in rows]
    notes = _box_notes(rows)
    if not any(row.person for row in rows):
        split = unlabelled(crops, name="csv", place=file)
        return replace(split, notes=(*notes, *split.notes))
    _check_not_swapped(file, crops, report)
    lines = {paths[row.line]: row.line for row in rows}
    texts = {paths[row.line]: (row.path, row.box or Box(0, 0, 0, 0)) for row in rows}  # sorted by behind the camera
    by_split = {word: [c for row, c in zip(rows, crops, strict=True) if row.split == word] for word in ("", *WORDS)}
    lists, forms = settled(by_split, junk=junk, place=file, report=report)
    lists = {
        word: sorted(each, key=lambda crop: (crop.person, crop.camera, texts[crop.path]))
        for word, each in lists.items()
    }
    notes = (*notes, *forms)
    if not any(row.split for row in rows):
        split = drawn(lists[""], name="csv", place=file, **choice)
        return replace(split, notes=(*notes, *split.notes))
    del lists[""]
    _check_lists(file, lists)
    split = ready_made(lists, name="csv", place=file, source=lambda crop: f"line {lines[crop.path]}", report=report)
    return replace(split, notes=(f"lists: the column split of {file.name}", *notes, *split.notes))


def _box_notes(rows: Sequence[CsvRow]) -> tuple[str, ...]:
    cut = sum(row.box is not None for row in rows)
    if not cut:
        return ()
    whole = f", {counted(len(rows) - cut, 'image is', 'images are')} whole" if cut < len(rows) else ""
    files = counted(len({row.path for row in rows if row.box is not None}), "file")
    return (f"boxes: {counted(cut, 'image is', 'images are')} cut out of {files}{whole}",)


def _check_not_swapped(file: Path, crops: Sequence[Crop], report: Report) -> None:
    if why := why_cameras(crops):
        fact = f"{file.resolve()}: {why}"
        cure = "swap the names of the columns 'person' and 'camera'; if they are right, give cameras names such as cam1"
        report(Problem(kind=NAMES, place=file, fact=fact, cure=cure))


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
    paths = [absolute_path(file.parent / row.path) for row in rows]
    common = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120 - thousands of plain texts
    names = [Path(path).relative_to(common).as_posix() for path in paths]
    columns = [
        "path",
        *(name for name in ("person", "camera", "split", *OPTIONAL) if any(getattr(row, name) for row in rows)),
    ]
    corners = CORNERS[0] if any(row.box for row in rows) else ()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, *corners])
    writer.writerows(
        [name, *(getattr(row, key) for key in columns[1:]), *(_corners(row.box) if corners else ())]
        for name, row in zip(names, rows, strict=True)
    )
    images: dict[str, Path | bytes] = {name: Path(path) for name, path in zip(names, paths, strict=True)}
    if FILE in images:
        fact, cure = f"{file.resolve()} lists an image called {FILE}", "rename it: the list has that name in a pack"
        raise Problem(kind=LISTS, place=file, fact=fact, cure=cure).error()
    return {FILE: text.getvalue().encode()} | images


def _checked(file: Path, rows: Sequence[CsvRow], report: Report) -> list[CsvRow]:
    """The rows that can be used, with ``split`` in small letters."""
    rows = _composed_as_on_disk(file, _known_words(file, rows, report))
    names = {row.line: absolute_path(boxed(file.parent / row.path, row.box)) for row in rows}
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(names[row.line], row.line)
    repeats = [row for row in rows if first[names[row.line]] != row.line]
    lines = [(row.line, f"repeats line {first[names[row.line]]}: {row.path}") for row in repeats]
    tell(file, lines, "an image that is listed already", "remove them, or correct their paths", report, LISTS)
    rows = [row for row in rows if first[names[row.line]] == row.line]
    gone = [row for row in rows if not is_file(file.parent / row.path)]
    cure = f"paths must be absolute or start at {file.parent.resolve()}"
    if any("\\" in row.path for row in gone):
        cure += ", with / between folders"
    tell(file, [(row.line, f"({row.path})") for row in gone], "a file that is not there", cure, report, MISSING)
    absent = {row.line for row in gone}
    return _inside(file, [row for row in rows if row.line not in absent], report)


def _corners(box: Box | None) -> tuple[int | str, ...]:
    return ("",) * 4 if box is None else (box.left, box.top, box.left + box.width, box.top + box.height)


def _composed_as_on_disk(file: Path, rows: Sequence[CsvRow]) -> list[CsvRow]:
    """The rows with the paths of files that are there under another Unicode form of their names."""

    def found(row: CsvRow) -> CsvRow:
        if not row.path.isascii() and not is_file(file.parent / row.path):
            for form in ("NFC", "NFD"):
                other = unicodedata.normalize(form, row.path)
                if is_file(file.parent / other):
                    return row._replace(path=other)
        return row

    return [found(row) for row in rows]


def _inside(file: Path, rows: Sequence[CsvRow], report: Report) -> list[CsvRow]:
    """The rows whose box lies in its image; the header of each image with boxes is read."""
    framed = dict.fromkeys(row.path for row in rows if row.box is not None)
    sizes = {path: upright_size(file.parent / path) for path in framed}
    bad: dict[int, str] = {}
    for row in rows:
        if row.box is not None and (size := sizes[row.path]) is not None:  # a damaged one is reported with all others
            left, top, right, bottom = map(int, _corners(row.box))
            if right > size[0] or bottom > size[1]:
                bad[row.line] = (
                    f"(from {left}, {top} to {right}, {bottom}; {row.path} has {size[0]} × {size[1]} pixels)"
                )
    cure = "clip them to the image, or correct them"
    tell(file, bad.items(), "a box that leaves its image", cure, report)
    return [row for row in rows if row.line not in bad]


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
