"""What lies in a data set's folder and was not read, by reason: for the log of a run, and for the doctor."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import Problem, readable
from reid_lit.files.access import entries, is_litter
from reid_lit.files.box import unboxed
from reid_lit.wording import counted

PASSED = "passed over"

UNREAD = (
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jfif", ".jpe", ".apng", ".tga", ".ico", ".svg", ".eps"),
    *(".pbm", ".pnm", ".pfm", ".exr", ".hdr", ".psd", ".xcf", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    *(".raw", ".dcm", ".mp4", ".avi", ".mov", ".mkv"),
)
"""Endings of images and films that are not read."""

FORMAT, UNLISTED, BARE, LINK = (
    "files of formats that are not read",
    "images in no list",
    "folders without images",
    "links",
)
SYSTEM, HIDDEN, OTHER, COLUMNS = "files of an operating system", "hidden files", "other files", "columns not used"

_CURES = {
    FORMAT: "convert them to JPEG or PNG, or remove them",
    UNLISTED: "name them like the others there or add them to the lists, or remove them",
    BARE: "fill or remove them",
    LINK: "remove the links that lead back to a folder above them",
    COLUMNS: "what they say is not learnt; remove them, or apply them to the images",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One sort of what was passed over.

    Attributes:
        reason: A constant of this module.
        number: How many there are.
        example: One of them, with the numbers by ending where they differ.
        doubtful: Whether they may be data that were meant to be read.
    """

    reason: str
    number: int
    example: str
    doubtful: bool

    def __str__(self) -> str:
        return f"{self.number:,} {self.reason} ({self.example})"

    def problem(self, place: Path) -> Problem:
        """The finding of the doctor."""
        return Problem(kind=PASSED, place=place, fact=f"{self}", cure=_CURES[self.reason])


def in_words(name: str, passed: Iterable[Passed]) -> str:
    """A line about all of it; empty when nothing was passed over."""
    parts = [str(each) for each in passed]
    return f"{name}: passed over {'; '.join(parts)}" if parts else ""


def passed_over(used: Iterable[Path], root: Path, *, bare: bool = False) -> list[Passed]:
    """What lies below a folder and is none of the images that were read from it.

    Images that are in no list are doubtful where they lie beside images of lists and end otherwise: a data set may read
    some of its images and not others.

    Args:
        used: The images that were read.
        root: The folder.
        bare: Whether each folder should hold images.
    """
    names = {os.path.abspath(unboxed(path)[0]) for path in used}  # noqa: PTH100 - thousands of plain texts
    endings = {(home, file.rpartition(".")[2].lower()) for home, _, file in (name.rpartition(os.sep) for name in names)}
    homes = {home for home, _ in endings}
    found: dict[tuple[str, bool], list[Path]] = defaultdict(list)
    for path, reason in _below(Path(os.path.abspath(root)), above=()):  # noqa: PTH100
        if str(path) in names or (reason == BARE and not bare):
            continue
        home, ending = str(path.parent), path.name.rpartition(".")[2].lower()
        beside = reason == UNLISTED and home in homes and (home, ending) not in endings
        found[reason, beside or reason in (FORMAT, LINK, BARE)].append(path)
    order = [*_CURES, SYSTEM, HIDDEN, OTHER]
    return [
        Passed(reason=reason, number=len(paths), example=_example(paths, root), doubtful=doubtful)
        for (reason, doubtful), paths in sorted(
            found.items(), key=lambda item: (not item[0][1], order.index(item[0][0]))
        )
    ]


def unread_formats(folder: Path) -> str:
    """The files below a folder of formats that are not read, as half a sentence; empty without any."""
    paths = [path for path, reason in _below(folder, above=()) if reason == FORMAT]
    return (
        f", but {counted(len(paths), 'file')} of formats that are not read ({_example(paths, folder)})" if paths else ""
    )


def columns_passed(unused: Iterable[str], meant: Iterable[str]) -> list[Passed]:
    """The columns of a list that nothing is read from, those apart that mean something to other programs."""
    known = set(meant)
    parts: dict[bool, list[str]] = {True: [], False: []}
    for name in unused:
        parts[name.lower() in known].append(name)
    return [
        Passed(reason=COLUMNS, number=len(names), example=", ".join(map(repr, names)), doubtful=doubtful)
        for doubtful, names in parts.items()
        if names
    ]


def _example(paths: list[Path], root: Path) -> str:
    place = Path(os.path.abspath(root))  # noqa: PTH100
    first = min(paths)
    shown = readable(first.relative_to(place) if first.is_relative_to(place) else first)
    endings = Counter(path.suffix.lower() for path in paths if path.suffix).most_common(4)
    counts = ", ".join(f"{number:,} {ending}" for ending, number in endings)
    return f"{counts}, such as {shown}" if len(endings) > 1 else f"such as {shown}"


def _below(folder: Path, *, above: tuple[str, ...], kept: str = "") -> Iterator[tuple[Path, str]]:
    """All files below a folder, and the folders that hold none, each with the reason not to read it.

    Args:
        folder: The folder.
        above: The real paths of the folders that lead there.
        kept: The reason that holds for all that is in it.
    """
    real = os.path.realpath(folder)
    if real in above:
        yield folder, LINK
        return
    try:
        listed = sorted(entries(folder, litter=True))
    except OSError:  # no permission to look, or gone
        return
    bare = bool(above) and not kept
    for name, is_folder in listed:
        path, reason = folder / name, kept or _reason(name)
        if is_folder:
            own = reason if reason in (SYSTEM, HIDDEN) else ""
            bare &= bool(own)
            yield from _below(path, above=(*above, real), kept=own)
        else:
            bare &= reason not in (UNLISTED, FORMAT)
            yield path, reason
    if bare:
        yield folder, BARE


def _reason(name: str) -> str:
    if is_litter(name):
        return SYSTEM
    if name.startswith("."):
        return HIDDEN
    if name.lower().endswith(EXTENSIONS):
        return UNLISTED
    return FORMAT if name.lower().endswith(UNREAD) else OTHER
