"""A user's own crops: ``person/camera/image`` or ``person/image``, split by identity or already split.

Person and camera folders may have any names. Persons are numbered from 1 and cameras from 0, both in the sorted order
of their names; ``person_names`` gives the persons back.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.decode import EXTENSIONS
from reid_lit.data.problems import Report, stop
from reid_lit.data.splits import check_disjoint, draw_persons, part, query_and_gallery
from reid_lit.records import Shot, Split

PARTS = ("train", "query", "gallery")
SHAPE = "person/camera/image or person/image, or train/, query/ and gallery/ each with such folders"


class Crop(NamedTuple):
    """An image and the folders it lies in; ``camera`` is empty when there is no camera folder."""

    person: str
    camera: str
    path: Path


def read(root: Path, *, train_fraction: float = 0.5, split_seed: int = 0, report: Report = stop) -> Split:
    """The crops below ``root``.

    Without ready-made ``train/``, ``query/`` and ``gallery/``, a share of the persons trains, drawn by ``split_seed``;
    the first image by name of each other person and camera is a query, the rest is the gallery, and a person with a
    single image is a distractor there.

    Args:
        root: The folder.
        train_fraction: Share of the persons to train on, in (0, 1); at least one trains and one is left.
        split_seed: Seed of the choice.
        report: Is told what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, no image, or only a part of a ready-made split.
        ValueError: the folders are mixed or too deep, or the persons are too few to split.
    """
    present = [name for name in PARTS if (root / name).is_dir()]
    if present and len(present) < len(PARTS):
        missing = ", ".join(f"{name}/" for name in PARTS if name not in present)
        raise FileNotFoundError(
            f"{root.resolve()} has {present[0]}/ but no {missing}: a ready-made split needs train/, query/ and"
            f" gallery/; add what is missing, or rename {present[0]}/ if it is a person"
        )
    if present:
        return _ready_made(root, report)
    return _drawn(root, train_fraction=train_fraction, split_seed=split_seed)


def person_names(split: Split) -> dict[int, str]:
    """The name of each person's folder, by person id."""
    below = {shot.person_id: shot.path.parent for shot in (*split.train, *split.query, *split.gallery)}
    return {person: (folder.parent if _NESTED in split.notes else folder).name for person, folder in below.items()}


_NESTED = "layout: person/camera/image"
_FLAT = "layout: person/image, a single camera: rank with the camera rule any_camera (another leaves no match)"


def _ready_made(root: Path, report: Report) -> Split:
    crops = {name: _crops(root / name) for name in PARTS}
    lists, notes = _numbered([crops[name] for name in PARTS], root)
    train, query, gallery = lists
    check_disjoint(train, query + gallery, where=root, report=report)
    return Split(name="folder", train=train, query=query, gallery=gallery, notes=notes)


def _drawn(root: Path, *, train_fraction: float, split_seed: int) -> Split:
    if not 0 < train_fraction < 1:
        raise ValueError(
            f"dataset.train_fraction={train_fraction} is outside (0, 1); 0.5 trains on half of the persons"
        )
    (shots,), notes = _numbered([_crops(root)], root)
    persons = {shot.person_id for shot in shots}
    if len(persons) < 2:
        raise ValueError(
            f"{root.resolve()} holds one person ({shots[0].path.relative_to(root).parts[0]}); a split needs two or"
            f" more, each in a folder of their own"
        )
    count = min(max(round(train_fraction * len(persons)), 1), len(persons) - 1)
    train, test = part(shots, draw_persons(persons, count, seed=split_seed))
    query, gallery = query_and_gallery(test)
    if not query:
        raise ValueError(
            f"none of the {len(persons) - count} test persons of {root.resolve()} has two images, so there is no query;"
            f" add images, lower dataset.train_fraction={train_fraction} or change dataset.split_seed={split_seed}"
        )
    drawn = f"{count} of {len(persons)} persons train, drawn by split_seed={split_seed}"
    lone = len({shot.person_id for shot in gallery} - {shot.person_id for shot in query})
    dropped = (f"{lone} test persons with a single image are distractors",) if lone else ()
    return Split(name="folder", train=train, query=query, gallery=gallery, notes=(*notes, drawn, *dropped))


def _crops(root: Path) -> list[Crop]:
    if not root.is_dir():
        raise FileNotFoundError(f"no such folder: {root.resolve()}; point dataset.root at {SHAPE}")
    folders, images = _listed(root)
    if images:
        raise ValueError(
            f"{len(images)} images lie in {root.resolve()} itself, such as {images[0].name}; put each into a folder"
            f" named after its person ({SHAPE})"
        )
    crops = [crop for folder in folders for crop in _crops_of_person(folder)]
    if not crops:
        raise FileNotFoundError(f"no image ({' '.join(EXTENSIONS)}) in {root.resolve()}; it must hold {SHAPE}")
    return crops


def _crops_of_person(person: Path) -> list[Crop]:
    cameras, images = _listed(person)
    crops = [Crop(person.name, "", path) for path in images]
    for camera in cameras:
        deeper, images = _listed(camera)
        if deeper:
            raise ValueError(f"{deeper[0].resolve()} is one folder too deep; images must lie as {SHAPE}")
        crops += [Crop(person.name, camera.name, path) for path in images]
    return crops


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Sub-folders and images in sorted order; hidden ones and other files are passed over."""
    with os.scandir(folder) as entries:
        seen = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    images = [folder / name for name, is_folder in seen if not is_folder and name.lower().endswith(EXTENSIONS)]
    return [folder / name for name, is_folder in seen if is_folder], images


def _numbered(lists: Sequence[list[Crop]], root: Path) -> tuple[list[tuple[Shot, ...]], tuple[str, ...]]:
    """Each list as shots, and what to note about the layout."""
    crops = [crop for part_crops in lists for crop in part_crops]
    _check_depth(crops, root)
    person_ids = _numbers((crop.person for crop in crops), first=1)
    camera_ids = _numbers((crop.camera for crop in crops), first=0)
    shots = [
        tuple(Shot(path=c.path, person_id=person_ids[c.person], camera_id=camera_ids[c.camera]) for c in part_crops)
        for part_crops in lists
    ]
    names = sorted(person_ids)
    numbered = f"persons are numbered in the order of their names: 1 is {names[0]!r}, {len(names)} is {names[-1]!r}"
    return shots, (_FLAT if "" in camera_ids else _NESTED, numbered)


def _check_depth(crops: list[Crop], root: Path) -> None:
    example: dict[bool, Path] = {}
    for crop in crops:
        example.setdefault(crop.camera != "", crop.path.relative_to(root))
    if len(example) > 1:
        raise ValueError(
            f"{root.resolve()} mixes person/image ({example[False]}) and person/camera/image ({example[True]});"
            f" use one of them for all persons"
        )


def _numbers(names: Iterable[str], *, first: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)), start=first)}


@dataclass(kw_only=True, eq=False, repr=False)
class Folder(ReidData):
    """A user's own crops.

    Args:
        root: The folder.
        train_fraction: Share of the persons to train on; unused with ready-made ``train/``, ``query/``, ``gallery/``.
    """

    train_fraction: float

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_fraction=self.train_fraction, split_seed=self.split_seed, report=report)
