"""Folders in Market-1501's manner: the original layout and layumi's folder a person, read to the same records."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.problems import EMPTY, MISSING, NAMES, Problem, Report, stop
from reid_lit.data.splits import check_disjoint
from reid_lit.records import Shot, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """How a data set names its files.

    Attributes:
        title: The data set's name in messages.
        folders: What its folder is called inside a folder of data sets.
        pattern: A file name, with the groups ``person`` and ``camera`` (counted from 1).
        example: A file name that the pattern accepts.
    """

    title: str
    folders: tuple[str, ...]
    pattern: re.Pattern[str]
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the three lists of a data set lie.

    Attributes:
        train: Folder of the training images.
        query: Folder of the queries.
        gallery: Folder of the gallery.
        nested: Whether each of them holds a folder a person.
    """

    train: str
    query: str
    gallery: str
    nested: bool


ORIGINAL = Layout(train="bounding_box_train", query="query", gallery="bounding_box_test", nested=False)
LAYUMI = Layout(train="train_all", query="query", gallery="gallery", nested=True)


def read_layout(root: Path, grammar: Grammar, *, name: str, report: Report = stop) -> Split:
    """The three lists below ``root``, in ImageFolder's order (person folder, then file name) in both layouts.

    Args:
        root: The data set's folder, the folder it lies in, or its ``pytorch`` folder.
        grammar: How the data set names its files.
        name: The name of the split.
        report: Is told what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: a ``*.jpg`` is not named like this data set, or a person is in training and in testing.
    """
    folder, layout = locate(root, grammar)
    train, query, gallery = (
        _read_part(folder / part, grammar, layout, report) for part in (layout.train, layout.query, layout.gallery)
    )
    check_disjoint(train, query + gallery, where=folder, report=report)
    return Split(name=name, train=train, query=query, gallery=gallery)


def locate(root: Path, grammar: Grammar) -> tuple[Path, Layout]:
    """The folder that holds the three lists, and its layout.

    Raises:
        FileNotFoundError: nothing like the data set is at ``root``.
    """
    for folder in (root, *(root / name for name in grammar.folders)):
        for place, layout in ((folder, ORIGINAL), (folder, LAYUMI), (folder / "pytorch", LAYUMI)):
            if (place / layout.train).is_dir() or (place / layout.gallery).is_dir():
                return place, layout
    fact = f"no {ORIGINAL.train}/ or {LAYUMI.train}/ in" if root.is_dir() else "no such folder:"
    inside = ", ".join(grammar.folders)
    fact = (
        f"{grammar.title}: {fact} {root.resolve()} (also looked inside it for {inside}, each with or without pytorch/)"
    )
    raise Problem(kind=MISSING, place=root, fact=fact, cure=_cure(grammar)).error()


def _cure(grammar: Grammar) -> str:
    return (
        f"the folder must look like {ORIGINAL.train}/{grammar.example}, {ORIGINAL.query}/…, {ORIGINAL.gallery}/… or"
        f" pytorch/{LAYUMI.train}/<person>/{grammar.example}, pytorch/{LAYUMI.query}/…, pytorch/{LAYUMI.gallery}/…;"
        f" point dataset.root or $REID_DATA at it, or run dataset=synthetic, which needs no download"
    )


def _read_part(directory: Path, grammar: Grammar, layout: Layout, report: Report) -> tuple[Shot, ...]:
    if not directory.is_dir():
        fact = f"{grammar.title}: no {directory.name}/ in {directory.parent.resolve()}"
        report(Problem(kind=MISSING, place=directory, fact=fact, cure=_cure(grammar)))
        return ()
    found: list[tuple[str, str, Shot]] = []
    bad: list[str] = []
    for folder, name in _names(directory, nested=layout.nested):
        match = grammar.pattern.match(name)
        if match is None or (layout.nested and folder != match["person"]):
            bad.append(f"{folder}/{name}" if folder else name)
            continue
        path = (directory / folder if folder else directory) / name
        shot = Shot(path=path, person_id=int(match["person"]), camera_id=int(match["camera"]) - 1)
        found.append((match["person"], name, shot))
    if bad:
        fact = (
            f"{len(bad)} of {len(bad) + len(found)} *.jpg in {directory.resolve()} are not named and placed like"
            f" {grammar.title} ({grammar.example})"
        )
        examples = tuple(sorted(bad)[:3])
        report(Problem(kind=NAMES, place=directory, fact=fact, cure="rename or remove them", examples=examples))
    if not found and not bad:
        fact = f"{grammar.title}: no *.jpg in {directory.resolve()}"
        report(Problem(kind=EMPTY, place=directory, fact=fact, cure=_cure(grammar)))
    return tuple(shot for *_, shot in sorted(found, key=lambda entry: entry[:2]))


def _names(directory: Path, *, nested: bool) -> Iterator[tuple[str, str]]:
    """Person folder (empty when there is none) and file name of each ``*.jpg``; hidden files are not images."""
    with os.scandir(directory) as entries:
        listed = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    yield from (("", name) for name, is_folder in listed if not is_folder and name.lower().endswith(".jpg"))
    if nested:
        for folder in (name for name, is_folder in listed if is_folder):
            yield from ((folder, name) for _, name in _names(directory / folder, nested=False))
