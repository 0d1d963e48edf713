"""Images, persons and cameras of each list, compared with the official counts."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from reid_lit.checkup.diagnosis import Fact, below
from reid_lit.data.counts import Count, count
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import Problem
from reid_lit.files.access import files_below
from reid_lit.records import Shot, Split
from reid_lit.wording import counted

COUNTS = "counts"


def compare(
    split: Split, official: Mapping[str, Count], root: Path, *, explained: Collection[Path] = ()
) -> list[Problem]:
    """A problem for each list whose counts differ from the official ones.

    Args:
        split: What was read.
        official: What an undamaged copy holds.
        root: The data set's folder.
        explained: Folders that another problem is about. If the number of their files is right, whatever their names,
            no second problem is reported.
    """
    problems = []
    for name, shots in split.lists.items():
        if name not in official or (not shots and explained):
            continue
        folder = common_folder(shots, root)
        actual, right = count(shots), official[name]
        if _same(actual, right) or (folder in explained and _files(folder) == right.images):
            continue
        fact = f"{name}: {_words(actual, right)} instead of {_words(right, right)}"
        cure = f"{_difference(actual.images, right.images)}; copy {below(folder, root)} anew"
        problems.append(Problem(kind=COUNTS, place=folder, fact=fact, cure=cure))
    return problems


def _difference(actual: int, right: int) -> str:
    if actual == right:
        return "other images than official"
    return f"images {'missing' if actual < right else 'too many'}: {abs(right - actual):,}"


def facts(split: Split, official: Mapping[str, Count]) -> Iterator[Fact]:
    """What each list holds."""
    for name, shots in split.lists.items():
        actual, right = count(shots), official.get(name)
        official_images = "" if right is None else f" (official: {right.images:,})"
        junk = f", {actual.junk:,} of them junk" if actual.junk else ""
        images, persons = counted(actual.images, "image", grouped=True), counted(actual.persons, "person", grouped=True)
        cameras = counted(actual.cameras or 0, "camera")
        yield Fact(name=name, value=f"{images}{official_images}{junk}, {persons}, {cameras}")
    if not official:
        yield Fact(name="official counts", value="none known for this data set, so nothing was compared")


def common_folder(shots: Collection[Shot], root: Path) -> Path:
    """The deepest folder that holds all shots; ``root`` without shots."""
    folders = {shot.path.parent for shot in shots}
    return Path(os.path.commonpath(folders)) if folders else root


def _same(actual: Count, right: Count) -> bool:
    pairs = [(getattr(actual, name), getattr(right, name)) for name in ("images", "persons", "cameras", "junk")]
    return all(expected is None or value == expected for value, expected in pairs)


def _words(number: Count, official: Count) -> str:
    """Images and persons; cameras and junk where the official counts have them."""
    words = f"{counted(number.images, 'image', grouped=True)} of {counted(number.persons, 'person', grouped=True)}"
    if official.cameras is not None:
        words += f" by {counted(number.cameras or 0, 'camera')}"
    return f"{words} ({number.junk:,} junk)" if official.junk else words


def _files(folder: Path) -> int:
    """Image files below a folder, by their endings."""
    return sum(path.name.lower().endswith(EXTENSIONS) for path in files_below(folder))
