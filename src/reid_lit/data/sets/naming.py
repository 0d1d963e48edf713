"""Images whose file names say who is on them: where a data set puts them, and what is wrong with a copy."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.passed_over import unread_formats
from reid_lit.data.problems import EMPTY, MISSING, NAMES, Problem, Report, stop
from reid_lit.data.sets.filenames import known_names
from reid_lit.errors import InputError
from reid_lit.files.access import entries, is_dir
from reid_lit.overrides import assignment
from reid_lit.records import Moment, Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How a data set names its images and where it puts them.

    Attributes:
        title: The data set's name in messages.
        pattern: A whole file name; :func:`shots_in` reads its groups ``person`` and ``camera`` (counted from 1).
        example: A file name that the pattern accepts.
        extensions: How image files end, in lower case; other files are passed over.
        layout: What the folder must look like, for messages.
        folders: The names of the data set's folder inside a folder of data sets.
        taken: From the match of a name, when the image was taken; None where names do not tell.
    """

    title: str
    pattern: re.Pattern[str]
    example: str
    extensions: tuple[str, ...]
    layout: str
    folders: tuple[str, ...]
    taken: Callable[[re.Match[str]], Moment | None] | None = None

    @property
    def cure(self) -> str:
        """What to do when the images are not there."""
        return (
            f"the folder must look like {self.layout}; point dataset.root or $REID_DATA at it, or run"
            f" dataset=synthetic, which needs no download"
        )

    def locate(self, root: Path, *parts: str) -> Path:
        """The first folder, ``root`` or one inside it, that holds one of the folders ``parts``.

        Raises:
            FileNotFoundError: none does.
        """
        for folder in (root, *(root / name for name in self.folders)):
            if any(is_dir(folder / part) for part in parts):
                return folder
        raise self.nowhere(root, " or ".join(f"{part}/" for part in parts)).error()

    def nowhere(self, root: Path, what: str) -> Problem:
        """The problem that ``what`` is neither in ``root`` nor in the data set's folder inside it."""
        fact = f"no {what} in" if is_dir(root) else "no such folder:"
        searched = f"(also looked inside it for {', '.join(self.folders)})"
        fact = f"{self.title}: {fact} {root.resolve()} {searched}"
        listed = f"python -m reid_lit.init {shlex.quote(assignment('folder', root))}"
        cure = f"{self.cure}; {listed} makes a list of images in another layout" if is_dir(root) else self.cure
        return Problem(kind=MISSING, place=root, fact=fact, cure=cure)


def shots_in(folder: Path, naming: Naming, report: Report = stop, *, nested: bool = False) -> tuple[Shot, ...]:
    """The images of a folder as shots, sorted by name; persons and cameras are those of the names.

    Args:
        folder: The folder.
        naming: How the images are named.
        report: Receives what is wrong; by default it raises.
        nested: Whether each person has a folder, named as the person in the file names.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like the data set, or is in another person's folder.
    """
    return tuple(
        Shot(
            path=path,
            person_id=int(match["person"]),
            camera_id=int(match["camera"]) - 1,
            taken=naming.taken(match) if naming.taken else None,
        )
        for path, match in named_images(folder, naming, report, nested=nested)
    )


def named_images(
    folder: Path, naming: Naming, report: Report = stop, *, nested: bool = False
) -> list[tuple[Path, re.Match[str]]]:
    """The images of a folder, sorted by name, each with the match of its name; arguments as in :func:`shots_in`.

    Hidden files are not images.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like the data set, or is in another person's folder.
    """
    kinds = " ".join(f"*{extension}" for extension in naming.extensions)
    if not is_dir(folder):
        fact = f"{naming.title}: no {folder.name}/ in {folder.parent.resolve()}"
        report(Problem(kind=MISSING, place=folder, fact=fact, cure=naming.cure))
        return []
    names = sorted(name for name in _names(folder, nested=nested) if name.lower().endswith(naming.extensions))
    images, bad = [], []
    for name in names:
        person, _, file = name.rpartition("/")
        match = naming.pattern.match(file)
        if match is None or (nested and person != match["person"]):
            bad.append(name)
        else:
            images.append((folder / name, match))
    if bad:
        named = "named and placed" if nested else "named"
        fact = f"{len(bad)} of {len(names)} {kinds} in {folder.resolve()} are not {named} like {naming.title}"
        fact, examples = f"{fact} ({naming.example})", tuple(bad[:3])
        cure = "rename or remove them"
        if title := known_names([name.rpartition("/")[2] for name in names]):
            place = shlex.quote(assignment("folder", folder.parent.resolve()))
            cure = f"they are named like {title}: python -m reid_lit.init {place} makes a list of them for dataset=csv"
        report(Problem(kind=NAMES, place=folder, fact=fact, cure=cure, examples=examples))
    if not names:
        fact = f"{naming.title}: no {kinds} in {folder.resolve()}{unread_formats(folder)}"
        report(Problem(kind=EMPTY, place=folder, fact=fact, cure=naming.cure))
    return images


def _names(folder: Path, *, nested: bool) -> Iterator[str]:
    """The files of a folder and, where ``nested``, of the folders in it, as paths below it; without hidden ones."""
    for name, is_folder in entries(folder):
        if name.startswith("."):
            continue
        if not is_folder:
            yield name
        elif nested:
            yield from (f"{name}/{file}" for file in _names(folder / name, nested=False))


def check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise InputError unless an option of a data set is one that it has; the message lists the choices."""
    if value not in choices:
        known = ", ".join("null" if choice is None else str(choice) for choice in choices)
        raise InputError(f"{key}={value!r}: unknown; choose one of {known}")
