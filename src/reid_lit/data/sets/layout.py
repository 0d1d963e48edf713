"""Folders as in Market-1501: the original layout and layumi's folder for each person, read to the same records."""

from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.problems import MISSING, Problem, Report, stop
from reid_lit.data.sets.naming import Naming, shots_in
from reid_lit.data.splits import check_disjoint
from reid_lit.files.access import is_dir
from reid_lit.records import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the three lists of a data set are.

    Attributes:
        train: Folder of the training images.
        query: Folder of the queries.
        gallery: Folder of the gallery.
        nested: Whether each of them holds a folder for each person.
    """

    train: str
    query: str
    gallery: str
    nested: bool


ORIGINAL = Layout(train="bounding_box_train", query="query", gallery="bounding_box_test", nested=False)
LAYUMI = Layout(train="train_all", query="query", gallery="gallery", nested=True)


def layouts(example: str) -> str:
    """What both layouts look like, for messages.

    Args:
        example: A file name.
    """
    return (
        f"{ORIGINAL.train}/{example}, {ORIGINAL.query}/…, {ORIGINAL.gallery}/… or"
        f" pytorch/{LAYUMI.train}/<person>/{example}, pytorch/{LAYUMI.query}/…, pytorch/{LAYUMI.gallery}/…"
    )


def read_layout(root: Path, naming: Naming, *, name: str, report: Report = stop) -> Split:
    """The three lists below ``root``, sorted by person folder and file name in both layouts.

    Args:
        root: The data set's folder, the folder that holds it, or its ``pytorch`` folder.
        naming: How the data set names its files.
        name: The name of the split.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like this data set, or a person is in training and in testing.
    """
    folder, layout = locate(root, naming)
    train, query, gallery = (
        shots_in(folder / part, naming, report, nested=layout.nested)
        for part in (layout.train, layout.query, layout.gallery)
    )
    check_disjoint(train, query + gallery, where=folder, report=report)
    return Split(name=name, train=train, query=query, gallery=gallery)


def layout_parts(root: Path, naming: Naming) -> dict[str, Path]:
    """The folders of the three lists, by their names below ``root``.

    Raises:
        FileNotFoundError: nothing like the data set is at ``root``.
    """
    folder, layout = locate(root, naming)
    places = (folder / part for part in (layout.train, layout.query, layout.gallery))
    return {place.relative_to(root).as_posix(): place for place in places if is_dir(place)}


def locate(root: Path, naming: Naming) -> tuple[Path, Layout]:
    """The folder that holds the three lists, and its layout.

    Raises:
        FileNotFoundError: nothing like the data set is at ``root``.
    """
    for folder in (root, *(root / name for name in naming.folders)):
        for place, layout in ((folder, ORIGINAL), (folder, LAYUMI), (folder / "pytorch", LAYUMI)):
            if is_dir(place / layout.train) or is_dir(place / layout.gallery):
                return place, layout
    fact = f"no {ORIGINAL.train}/ or {LAYUMI.train}/ in" if is_dir(root) else "no such folder:"
    searched = f"(also looked inside it for {', '.join(naming.folders)}, each with or without pytorch/)"
    fact = f"{naming.title}: {fact} {root.resolve()} {searched}"
    raise Problem(kind=MISSING, place=root, fact=fact, cure=naming.cure).error()
