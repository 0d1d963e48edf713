"""Images, persons and cameras of each list beside the official counts."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from reid_lit.checkup.diagnosis import Fact, below
from reid_lit.data.counts import Count, count
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import Problem
from reid_lit.records import Shot, Split
from reid_lit.wording import counted

COUNTS = "counts"


def compare(
    split: Split, official: Mapping[str, Count], root: Path, *, explained: Collection[Path] = ()
) -> list[Problem]:
    """A problem for each list that does not hold what the authors counted.

    Args:
        split: What was read.
        official: What an undamaged copy holds.
        root: The data set's folder.
        explained: Folders that other problems are about: their files count as they lie there, whatever their names,
            and if their number is right, that problem says it all.
    """
    problems = []
    for name, shots in split.lists.items():
        if name not in official or (not shots and explained):
            continue
        folder = common_folder(shots, root)
        found, right = count(shots), official[name]
        if _same(found, right) or (folder in explained and _files(folder) == right.images):
            continue
        lost = right.images - found.images
        wrong = (
            f"images {'missing' if lost > 0 else 'too many'}: {abs(lost):,}" if lost else "other images than official"
        )
        fact = f"{name}: {_words(found, right)} instead of {_words(right, right)}"
        problems.append(Problem(kind=COUNTS, place=folder, fact=fact, cure=f"{wrong}; copy {below(folder, root)} anew"))
    return problems


def facts(split: Split, official: Mapping[str, Count]) -> Iterator[Fact]:
    """What each list holds."""
    for name, shots in split.lists.items():
        known = official.get(name)
        beside = "" if known is None else f" (official: {known.images:,})"
        found = count(shots)
        junk = f", of which {found.junk:,} junk" if found.junk else ""
        images, persons = counted(found.images, "image", grouped=True), counted(found.persons, "person", grouped=True)
        cameras = counted(found.cameras or 0, "camera")
        yield Fact(name=name, value=f"{images}{beside}{junk}, {persons}, {cameras}")
    if not official:
        yield Fact(name="official counts", value="none known for this data set, so nothing was compared")


def common_folder(shots: Collection[Shot], root: Path) -> Path:
    """The folder that all shots lie below."""
    folders = {shot.path.parent for shot in shots}
    return Path(os.path.commonpath(folders)) if folders else root


def _same(found: Count, right: Count) -> bool:
    pairs = [(getattr(found, name), getattr(right, name)) for name in ("images", "persons", "cameras", "junk")]
    return all(known is None or value == known for value, known in pairs)


def _words(one: Count, official: Count) -> str:
    """Images and persons; cameras and junk where those make the difference."""
    words = f"{counted(one.images, 'image', grouped=True)} of {counted(one.persons, 'person', grouped=True)}"
    if official.cameras is not None:
        words += f" by {counted(one.cameras or 0, 'camera')}"
    return f"{words} ({one.junk:,} junk)" if official.junk else words


def _files(folder: Path) -> int:
    """Image files below a folder, by their endings."""
    return sum(
        name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        for _, _, names in os.walk(folder)
        for name in names
    )
