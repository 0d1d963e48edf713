"""Persons and cameras out of file names, by the user's pattern or by a known one."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.passed_over import unread_formats
from reid_lit.data.problems import EMPTY, NAMES, Problem
from reid_lit.data.sets.guessing import guessed
from reid_lit.data.sets.person_names import Crop
from reid_lit.errors import InputError
from reid_lit.files.access import files_below
from reid_lit.wording import counted

KNOWN = {
    "Market-1501's (0001_c1…: person, camera)": r"(^|/)(?P<person>-1|\d+)_c(?P<camera>\d+)[^/]*$",
    "MSMT17's (0001_000_03_…: person, image, camera)": r"(^|/)(?P<person>\d{4})_\d{3}_(?P<camera>\d{2})_[^/]*$",
    "WARD's (000100020003.png: person, camera, frame)": r"(^|/)(?P<person>\d{4})(?P<camera>\d{4})\d{4}\.[^./]+$",
}
"""Patterns of file names that are known, by what an error calls them."""


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression.

    Raises:
        ValueError: it is no regular expression, lacks the group ``person``, or has groups other than ``camera``.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"pattern={pattern}: no regular expression: {error}; see the help of Python's re") from error
    groups = set(expression.groupindex)
    if "person" not in groups or groups - {"person", "camera"}:
        names = ", ".join(sorted(groups)) or "none"
        raise InputError(f"pattern={pattern}: its groups are {names}; give (?P<person>…) and, if known, (?P<camera>…)")
    return expression


def recognised(folder: Path, paths: Sequence[Path]) -> tuple[str, re.Pattern[str]]:
    """The title and the pattern of the known names that the images have.

    Raises:
        ValueError: the names are not known, or not all of them.
    """
    names = [path.relative_to(folder).as_posix() for path in paths]
    for title, text in KNOWN.items():
        odd = [name for name in names if not re.search(text, name, re.ASCII)]
        if not odd:
            return title, re.compile(text, re.ASCII)
        if 2 * len(odd) < len(names):
            fact = (
                f"{len(odd)} of {len(names)} images in {folder.resolve()} are not named like {title}, as the others are"
            )
            cure = "rename or move them, or give a pattern= that fits all"
            raise Problem(kind=NAMES, place=folder, fact=fact, cure=cure, examples=tuple(odd[:3])).error()
    images = counted(len(names), "image")
    fact = f"{images} of {folder.resolve()}, neither in folders of persons nor named in a known way"
    cure = f"say where a name holds the person (and the camera), for instance {guessed(names)}"
    raise Problem(kind=NAMES, place=folder, fact=fact, cure=cure, examples=tuple(names[:3])).error()


def known_names(names: Sequence[str]) -> str:
    """The title of the known names that all of these are; empty where there is none."""
    fitting = (title for title, text in KNOWN.items() if names and all(re.search(text, n, re.ASCII) for n in names))
    return next(fitting, "")


def named(folder: Path, places: Mapping[str, Path], pattern: re.Pattern[str]) -> dict[str, list[Crop]]:
    """The crops of each list, sorted by path, with the persons and cameras of their paths below ``folder``.

    Raises:
        FileNotFoundError: a list has no image.
        ValueError: the pattern does not fit a path, or leaves its person or camera empty.
    """
    lists: dict[str, list[Crop]] = {word: [] for word in places}
    bad: list[str] = []
    for word, place in places.items():
        for path in sorted(path for path in files_below(place) if path.name.lower().endswith(EXTENSIONS)):
            name = path.relative_to(folder).as_posix()
            match = pattern.search(name)
            groups = match.groupdict() if match else {}
            if groups and all(groups.values()):
                lists[word].append(Crop(groups["person"], groups.get("camera", ""), path))
            else:
                bad.append(name)
        if not lists[word] and not bad:
            fact = f"no image ({' '.join(EXTENSIONS)}) in {place.resolve()}{unread_formats(place)}"
            raise Problem(kind=EMPTY, place=place, fact=fact, cure="point folder= at the images").error()
    if bad:
        count = len(bad) + sum(map(len, lists.values()))
        fact = f"{len(bad)} of {count} images in {folder.resolve()} do not fit pattern={pattern.pattern}"
        cure = "change the pattern or move them; each group must hold something"
        raise Problem(kind=NAMES, place=folder, fact=fact, cure=cure, examples=tuple(bad[:3])).error()
    return lists


def other_files(folder: Path, *, but: Path) -> dict[str, int]:
    """Count the files below ``folder`` that are no images, by ending, most frequent first; ``but`` is not counted."""
    names = (path for path in files_below(folder) if not path.name.lower().endswith(EXTENSIONS))
    own = os.path.realpath(but)  # Path.resolve() raises for a link that leads to itself
    endings = Counter(path.suffix.lower() or "without ending" for path in names if os.path.realpath(path) != own)
    return dict(endings.most_common())
