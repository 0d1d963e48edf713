"""Where the folders of a data set are when they are not where its reader looks."""

import copy
import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import EMPTY, MISPLACED, MISSING, NESTED, DataError, MissingDataError, Problem
from reid_lit.files.access import entries, exists, is_dir
from reid_lit.files.index import PackError
from reid_lit.overrides import assignment
from reid_lit.records import Split
from reid_lit.wording import counted

OTHER = "another data set"
UNREAD = "cannot be read"

_DEPTH = 3
_FOLDERS = 500
"""At most so many folders are looked at, level by level, so that the search does not walk a whole disk."""

Others = Callable[[], Mapping[str, ReidData]]
"""Gives every other data set's reader by its option, pointed at the same folder."""


def read(data: ReidData, *, prepare: bool = False) -> tuple[Split | None, list[Problem]]:
    """The lists that a reader finds in its folder (None when there is no image), and the problems that it reports.

    Args:
        data: The data set.
        prepare: Let it first do what it does on first use: draw images, unpack an archive.
    """
    problems: list[Problem] = []
    try:
        if prepare:
            data.prepare_data()
        split = data.read(problems.append)
    except (MissingDataError, DataError) as error:
        problems.append(error.problem)
    except (OSError, ValueError) as error:
        fact, _, cure = str(error).rpartition("; ")
        problems.append(Problem(kind=UNREAD, place=data.root, fact=fact or cure, cure=cure if fact else ""))
    else:
        if split.shots:
            return split, problems
    return None, problems


def look_around(data: ReidData, problems: list[Problem], others: Others) -> list[Problem]:
    """The problems of a folder in which no image was read, or the one problem that explains them."""
    places = list(_accepted(data))
    if places:
        fact = f"{places[0]} holds what is looked for in {data.root.resolve()}"
        fact += f"; so do {', '.join(map(str, places[1:3]))}" if places[1:] else ""
        cure = shlex.quote(assignment("dataset.root", places[0]))
        return [Problem(kind=NESTED, place=data.root, fact=fact, cure=cure)]
    if not is_dir(data.root):
        return problems
    nothing = Split(name="", train=(), query=(), gallery=())
    moved = [find_misplaced(problem, nothing, data.root) for problem in problems]
    if any(problem.kind in (MISPLACED, NESTED) for problem in moved):
        return moved
    with _silence():
        fitting = dict(_fitting(data, others))
    if fitting:
        images = max(len(split.shots) for split in fitting.values())
        names = [name for name, split in fitting.items() if len(split.shots) == images]  # those that explain most files
        fact = f"{data.root.resolve()} looks like {' or '.join(names)}, by {counted(images, 'file name', grouped=True)}"
        cure = f"dataset={names[0]} {shlex.quote(assignment('dataset.root', data.root.resolve()))}"
        return [Problem(kind=OTHER, place=data.root, fact=fact, cure=cure)]
    return problems


def _fitting(data: ReidData, others: Others) -> Iterator[tuple[str, Split]]:
    """The other data sets that can be read from the folder, and their lists."""
    for name, reader in others().items():
        split = None if isinstance(reader, type(data)) else _whole(reader)
        if split is not None:
            yield name, split


def find_misplaced(problem: Problem, split: Split, root: Path) -> Problem:
    """The problem of a missing or empty folder; if its images are nearby, with the command that moves them."""
    missing = problem.place
    if problem.kind == EMPTY and len(deeper := _with_images(missing)) == 1:
        fact = f"the images of {missing.name}/ are deeper, in {deeper[0].relative_to(missing)}/"
        cure = f"mv {shlex.quote(str(deeper[0].resolve()))}/* {shlex.quote(str(missing.resolve()))}/"
        return replace(problem, kind=NESTED, fact=fact, cure=cure)
    if problem.kind != MISSING or missing == root or exists(missing):
        return problem
    folder = next((folder for folder in _below(root, depth=_DEPTH) if folder.name == missing.name), None)
    if folder is None:
        folder = _near(missing, {shot.path.parent for shot in split.shots})
    if folder is None:
        return problem
    place = folder.relative_to(root)
    if place.name == missing.name:
        fact = f"{missing.name}/ is in {place.parent}/"
    else:
        fact = f"{missing.name}/ is called {place}/"
    cure = shlex.join(["mv", str(folder.resolve()), str(missing.resolve())])
    return replace(problem, kind=MISPLACED, fact=fact, cure=cure)


def _with_images(folder: Path) -> list[Path]:
    """The folders below that hold images."""
    return [
        path for path in _below(folder, depth=2) if any(name.lower().endswith(EXTENSIONS) for name, _ in entries(path))
    ]


def _near(missing: Path, used: set[Path]) -> Path | None:
    """The folder next to ``missing`` whose name is nearly the same, if nothing was read from it."""
    neighbours = _below(missing.parent, depth=1)
    names = [folder.name for folder in neighbours if not any(path.is_relative_to(folder) for path in used)]
    near = get_close_matches(missing.name.lower(), [name.lower() for name in names], n=1, cutoff=0.75)
    return next((missing.parent / name for name in names if name.lower() in near), None)


def _accepted(data: ReidData) -> Iterator[Path]:
    """The folders near the data set's folder that its reader can read, nearest first."""
    root = data.root.resolve()
    if is_dir(root):
        nearby = [*_below(root, depth=_DEPTH), *(folder for folder in root.parents[:2] if folder.parent != folder)]
    else:
        nearby = list(_below(root.parent, depth=1))
    accepted: list[Path] = []
    with _silence():
        for folder in nearby:
            moved = copy.copy(data)
            moved.root = folder
            if not any(folder.is_relative_to(outer) for outer in accepted) and _whole(moved) is not None:
                accepted.append(folder)
                yield folder


def _whole(data: ReidData) -> Split | None:
    """The lists that a reader finds in a folder; None when one of them is missing or empty."""
    split, problems = read(data)
    if split is None or not split.train or any(problem.kind in (MISSING, EMPTY) for problem in problems):
        return None
    return split


def _below(root: Path, *, depth: int) -> Iterator[Path]:
    """Folders below ``root``, level by level, hidden ones left out."""
    level, count = [root], 0
    for _ in range(depth):
        deeper: list[Path] = []
        for folder in level:
            for path in _folders(folder):
                count += 1
                if count > _FOLDERS:
                    return
                yield path
                deeper.append(path)
        level = deeper


def _folders(folder: Path) -> list[Path]:
    try:
        listed = entries(folder)
    except (OSError, PackError):  # no permission to look, gone, or no pack that can be used
        return []
    names = sorted(name for name, is_folder in listed if is_folder and not name.startswith((".", "__MACOSX")))
    return [folder / name for name in names]


@contextmanager
def _silence() -> Iterator[None]:
    """Log nothing below an error: the readers only try these folders."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
