"""Folders of images whose names say who is on them: what is listed, and what is wrong with it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.problems import EMPTY, MISSING, NAMES, Problem, Report, stop
from reid_lit.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How a data set names its images and where it puts them.

    Attributes:
        title: The data set's name in messages.
        pattern: A file name.
        example: A file name that the pattern accepts.
        extensions: How image files end, in lower case; other files are passed over.
        layout: What the folder must look like, for messages.
    """

    title: str
    pattern: re.Pattern[str]
    example: str
    extensions: tuple[str, ...]
    layout: str

    @property
    def cure(self) -> str:
        """What to do when the images are not there."""
        return (
            f"the folder must look like {self.layout}; point dataset.root or $REID_DATA at it, or run"
            f" dataset=synthetic, which needs no download"
        )

    def nowhere(self, root: Path, what: str, inside: tuple[str, ...]) -> Problem:
        """The problem that ``what`` is neither in ``root`` nor in the folders ``inside`` it."""
        fact = f"no {what} in" if root.is_dir() else "no such folder:"
        looked = f"(also looked inside it for {', '.join(inside)})"
        fact = f"{self.title}: {fact} {root.resolve()} {looked}"
        return Problem(kind=MISSING, place=root, fact=fact, cure=self.cure)


def named_images(folder: Path, naming: Naming, report: Report = stop) -> list[re.Match[str]]:
    """The names of a folder's images as matches of the data set's pattern (``match.string`` is the name), sorted.

    Hidden files are not images.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like the data set.
    """
    kinds = " ".join(f"*{extension}" for extension in naming.extensions)
    if not folder.is_dir():
        fact = f"{naming.title}: no {folder.name}/ in {folder.parent.resolve()}"
        report(Problem(kind=MISSING, place=folder, fact=fact, cure=naming.cure))
        return []
    names = sorted(name for name in listed(folder) if name.lower().endswith(naming.extensions))
    matches = [match for name in names if (match := naming.pattern.match(name))]
    good = {match.string for match in matches}
    bad = tuple(name for name in names if name not in good)
    if bad:
        fact = f"{len(bad)} of {len(names)} {kinds} in {folder.resolve()} are not named like {naming.title}"
        fact = f"{fact} ({naming.example})"
        report(Problem(kind=NAMES, place=folder, fact=fact, cure="rename or remove them", examples=bad[:3]))
    if not matches:
        fact = f"{naming.title}: no {kinds} in {folder.resolve()}"
        report(Problem(kind=EMPTY, place=folder, fact=fact, cure=naming.cure))
    return matches


def listed(folder: Path) -> list[str]:
    """Names in a folder, hidden ones left out, in no order; none where there is no folder."""
    if not folder.is_dir():
        return []
    return [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208 - names, not paths


def check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    """Whether an option of a data set is one that it has.

    Raises:
        ValueError: it is not; the message lists the choices.
    """
    if value not in choices:
        known = ", ".join("null" if choice is None else str(choice) for choice in choices)
        raise InputError(f"dataset.{key}={value!r} is unknown; choose one of {known}")
