"""Where the folders of a data set are when they are not where its reader looks."""

import copy
import logging
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import EMPTY, MISPLACED, MISSING, NESTED, DataError, MissingDataError, Problem
from reid_lit.overrides import assignment
from reid_lit.records import Split
from reid_lit.wording import counted

OTHER = "another data set"
UNREAD = "cannot be read"

_DEPTH = 3
_FOLDERS = 500
"""So many folders are looked at, level by level: a look must not walk a whole disk."""

Others = Callable[[], Mapping[str, ReidData]]
"""Gives every other data set's reader by its option, pointed at the same folder."""


def read(data: ReidData, *, prepare: bool = False) -> tuple[Split | None, list[Problem]]:
    """What the reader gets out of its folder, None when nothing at all, and all that it complains of.

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
    """The problems of a folder out of which nothing could be read, or the one thing that explains them."""
    places = list(_accepted(data))
    if places:
        fact = f"{places[0]} holds what is looked for in {data.root.resolve()}"
        fact += f"; so do {', '.join(map(str, places[1:3]))}" if places[1:] else ""
        cure = shlex.quote(assignment("dataset.root", places[0]))
        return [Problem(kind=NESTED, place=data.root, fact=fact, cure=cure)]
    if not data.root.is_dir():
        return problems
    nothing = Split(name="", train=(), query=(), gallery=())
    moved = [find_misplaced(problem, nothing, data.root) for problem in problems]
    if any(problem.kind in (MISPLACED, NESTED) for problem in moved):
        return moved
    with _silence():
        different = {name: other for name, other in others().items() if not isinstance(other, type(data))}
        fitting = [(name, split) for name, other in different.items() if (split := _whole(other)) is not None]
    if fitting:
        names = [name for name, _ in fitting]
        images = len(fitting[0][1].shots)
        fact = f"{data.root.resolve()} looks like {' or '.join(names)}, by {counted(images, 'file name', grouped=True)}"
        cure = f"dataset={names[0]} {shlex.quote(assignment('dataset.root', data.root.resolve()))}"
        return [Problem(kind=OTHER, place=data.root, fact=fact, cure=cure)]
    return problems


def find_misplaced(problem: Problem, split: Split, root: Path) -> Problem:
    """The problem of a missing or empty folder, with the command that mends it when what it lacks lies nearby."""
    wanted = problem.place
    if problem.kind == EMPTY and len(deeper := _with_images(wanted)) == 1:
        fact = f"the images of {wanted.name}/ lie deeper, in {deeper[0].relative_to(wanted)}/"
        cure = f"mv {shlex.quote(str(deeper[0].resolve()))}/* {shlex.quote(str(wanted.resolve()))}/"
        return replace(problem, kind=NESTED, fact=fact, cure=cure)
    if problem.kind != MISSING or wanted == root or wanted.exists():
        return problem
    found = next((folder for folder in _below(root, depth=_DEPTH) if folder.name == wanted.name), None)
    if found is None:
        found = _near(wanted, {shot.path.parent for shot in split.shots})
    if found is None:
        return problem
    here = found.relative_to(root)
    fact = f"{wanted.name}/ lies in {here.parent}/" if here.name == wanted.name else f"{wanted.name}/ is called {here}/"
    cure = shlex.join(["mv", str(found.resolve()), str(wanted.resolve())])
    return replace(problem, kind=MISPLACED, fact=fact, cure=cure)


def _with_images(folder: Path) -> list[Path]:
    """The folders below that hold images."""
    return [
        path for path in _below(folder, depth=2) if any(file.suffix.lower() in EXTENSIONS for file in path.iterdir())
    ]


def _near(wanted: Path, used: set[Path]) -> Path | None:
    """The folder beside ``wanted`` whose name is nearly the same, out of those that nothing was read from."""
    beside = _below(wanted.parent, depth=1)
    names = [folder.name for folder in beside if not any(path.is_relative_to(folder) for path in used)]
    near = get_close_matches(wanted.name.lower(), [name.lower() for name in names], n=1, cutoff=0.75)
    return next((wanted.parent / name for name in names if name.lower() in near), None)


def _accepted(data: ReidData) -> Iterator[Path]:
    """The folders around the data set's own that its reader can read, nearest first."""
    root = data.root.resolve()
    if root.is_dir():
        nearby = [*_below(root, depth=_DEPTH), *(folder for folder in root.parents[:2] if folder.parent != folder)]
    else:
        nearby = list(_below(root.parent, depth=1))
    found: list[Path] = []
    with _silence():
        for folder in nearby:
            moved = copy.copy(data)
            moved.root = folder
            if not any(folder.is_relative_to(other) for other in found) and _whole(moved) is not None:
                found.append(folder)
                yield folder


def _whole(data: ReidData) -> Split | None:
    """What a reader makes of a folder; None when a list of it is missing."""
    split, problems = read(data)
    if split is None or not split.train or any(problem.kind in (MISSING, EMPTY) for problem in problems):
        return None
    return split


def _below(root: Path, *, depth: int) -> Iterator[Path]:
    """Folders below ``root``, level by level, hidden ones left out."""
    level, seen = [root], 0
    for _ in range(depth):
        deeper: list[Path] = []
        for folder in level:
            for path in _folders(folder):
                if (seen := seen + 1) > _FOLDERS:
                    return
                yield path
                deeper.append(path)
        level = deeper


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith((".", "__MACOSX"))]
    except OSError:  # no permission to look, or gone
        return []
    return [folder / name for name in sorted(names)]


@contextmanager
def _silence() -> Iterator[None]:
    """What readers log about folders that they only try is no news."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
