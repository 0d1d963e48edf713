"""The parts of a copy of SynergySports: folders in two spellings, labelled names and those of the hidden test."""

import re
from pathlib import Path

from reid_lit.data.problems import MISSING, Problem
from reid_lit.data.sets.naming import Naming, named_images
from reid_lit.errors import InputError
from reid_lit.files.access import entries, is_dir

_LAYOUT = (
    "reid_training/…, reid_val/query/…, reid_val/gallery/…, reid_test/query/…, reid_test/gallery/… (VIPriors), or"
    " reid_training, reid_test and reid_challenge in the same manner (DeepSportRadar)"
)
PARTS = ("reid_training", "reid_val", "reid_test", "reid_challenge")
"""The folders of a copy, in both spellings and with the hidden test."""

FOLDERS = ("data_reid", "synergy_sports", "synergy_sports/data_reid", "synergyreid/raw/data_reid")
NAMING = Naming(
    title="SynergySports",
    pattern=re.compile(r"^(?P<person>\d+)_(?P<sequence>\d+)_(?P<frame>\d+)\.jpe?g$", re.ASCII),
    example="0012_0034_0001.jpeg",
    extensions=(".jpg", ".jpeg"),
    layout=_LAYOUT,
    folders=FOLDERS,
)
HIDDEN = Naming(
    title="SynergySports' hidden test",
    pattern=re.compile(r"^(?P<number>\d+)\.jpe?g$", re.ASCII),
    example="0012.jpeg",
    extensions=NAMING.extensions,
    layout=_LAYOUT,
    folders=FOLDERS,
)


def sequence(path: Path) -> int:
    """The number of an image's sequence; all images of a match come from the same sequence.

    Raises:
        ValueError: the name holds none, as in the hidden test.
    """
    match = NAMING.pattern.match(path.name)
    if match is None:
        raise InputError(f"{path}: not named like SynergySports ({NAMING.example}), so its sequence is unknown")
    return int(match["sequence"])


def hidden_test(root: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Queries and gallery of the test whose labels are not public, each in the order of their numbers.

    Raises:
        FileNotFoundError: it is not below ``root``.
        ValueError: an image's name is not a number.
    """
    folder = locate(root)
    for place in (folder / "reid_challenge", folder / "reid_test"):
        if is_dir(place) and not _has_labels(place):
            return _numbered(place / "query"), _numbered(place / "gallery")
    fact = (
        f"SynergySports: no hidden test in {folder.resolve()} (looked for reid_challenge/, and for reid_test/ whose"
        f" names are single numbers)"
    )
    raise Problem(kind=MISSING, place=folder, fact=fact, cure=HIDDEN.cure).error()


def _numbered(folder: Path) -> tuple[Path, ...]:
    paths = (path for path, _ in named_images(folder, HIDDEN))
    return tuple(sorted(paths, key=lambda path: (int(path.stem), path.name)))


def locate(root: Path) -> Path:
    """The folder that holds ``reid_training/``.

    Raises:
        FileNotFoundError: there is none at ``root``.
    """
    return NAMING.locate(root, "reid_training")


def labeled(folder: Path) -> Path:
    """The folder of the validation persons: ``reid_val``, or ``reid_test`` if its names hold labels.

    Raises:
        FileNotFoundError: there is neither.
    """
    if is_dir(folder / "reid_val"):
        return folder / "reid_val"
    if _has_labels(folder / "reid_test"):
        return folder / "reid_test"
    fact = f"SynergySports: no reid_val/, and no reid_test/ with labels ({NAMING.example}), in {folder.resolve()}"
    raise Problem(kind=MISSING, place=folder, fact=fact, cure=NAMING.cure).error()


def _has_labels(folder: Path) -> bool:
    query = folder / "query"
    return is_dir(query) and any(NAMING.pattern.match(name) for name, _ in entries(query))
