"""A user's own crops: ``person/camera/image`` or ``person/image``, split by identity or already split.

Person and camera folders may have any names. Persons are numbered from 1 and cameras from 0, both in the sorted order
of their names (of their values, where all names are whole numbers); ``person_names`` gives their names. A person
folder ``-1`` is junk, as in Market-1501.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import EMPTY, LAYOUT, MISSING, Problem, Report, stop
from reid_lit.data.sets.crops import NEEDED, UNSPLIT, WORDS, Crop, drawn, ready_made
from reid_lit.files.access import entries, is_dir, is_file
from reid_lit.records import Split
from reid_lit.wording import counted

SHAPE = "person/camera/image or person/image, or train/, query/ and gallery/ each with such folders"
INIT = "python -m reid_lit.init with a pattern= makes a list for dataset=csv of any other layout"


def read(root: Path, *, train_fraction: float = 0.5, split_seed: int = 0, report: Report = stop) -> Split:
    """The crops below ``root``.

    Without ready-made ``train/``, ``query/`` and ``gallery/`` (and ``val/``, if there), a share of the persons trains,
    drawn by ``split_seed``; the first image by name of each other person and camera is a query, the rest is the
    gallery, and a person with a single image is a distractor there.

    Args:
        root: The folder.
        train_fraction: Share of the persons to train on, in (0, 1); at least one trains and one is left.
        split_seed: Seed of the choice.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, no image, or only a part of a ready-made split.
        ValueError: the folders are mixed or too deep, or the persons are too few to split.
    """
    lists = crops_below(part_folders(root), report)
    note = check_depth(lists, root, report)
    if UNSPLIT in lists:
        crops = lists[UNSPLIT]
        split = drawn(crops, name="folder", place=root, train_fraction=train_fraction, split_seed=split_seed)
    else:
        split = ready_made(
            lists, name="folder", place=root, source=lambda c: f"{c.path.relative_to(root)}", report=report
        )
    return replace(split, notes=(note, *split.notes))


def person_names(split: Split) -> dict[int, str]:
    """The name of each person's folder, by person id."""
    folders = {shot.person_id: shot.path.parent for shot in split.shots}
    return {person: (folder.parent if NESTED in split.notes else folder).name for person, folder in folders.items()}


NESTED, FLAT = "layout: person/camera/image", "layout: person/image"


def part_folders(root: Path) -> dict[str, Path]:
    """The folder of each list; the root as the only one where there is no ready-made split.

    Raises:
        FileNotFoundError: there is no such folder, or only a part of a ready-made split.
        ValueError: ``root`` is a file.
    """
    if is_file(root):
        cure = "dataset=csv reads lists" if root.suffix.lower() == ".csv" else "unpack it if it is an archive"
        fact = f"{root.resolve()} is a file, not a folder"
        raise Problem(kind=LAYOUT, place=root, fact=fact, cure=f"{cure}; dataset.root must hold {SHAPE}").error()
    if not is_dir(root):
        fact = f"no such folder: {root.resolve()}"
        raise Problem(kind=MISSING, place=root, fact=fact, cure=f"point dataset.root at {SHAPE}").error()
    present = [name for name in WORDS if is_dir(root / name)]
    marks = [name for name in present if name != "val"]  # val/ alone may be a person
    lacking = [f"{name}/" for name in NEEDED if name not in marks]
    if marks and lacking:
        folders = f"{root.resolve()} has {marks[0]}/ but no {', '.join(lacking)}"
        fact = f"{folders}: a ready-made split needs query/ and gallery/"
        cure = f"add what is missing, or rename {marks[0]}/ if it is a person"
        raise Problem(kind=MISSING, place=root, fact=fact, cure=cure).error()
    return {name: root / name for name in present} if marks else {UNSPLIT: root}


def crops_below(folders: Mapping[str, Path], report: Report = stop) -> dict[str, list[Crop]]:
    """The crops of each list.

    Raises:
        FileNotFoundError: a folder holds no image.
        ValueError: images are next to the person folders, or too deep.
    """
    return {name: _crops(folder, report) for name, folder in folders.items()}


def _crops(root: Path, report: Report) -> list[Crop]:
    folders, images = listed(root)
    if images:
        fact = f"{counted(len(images), 'image is', 'images are')} in {root.resolve()} itself, such as {images[0].name}"
        cure = f"put each into a folder named after its person ({SHAPE}); {INIT}"
        report(Problem(kind=LAYOUT, place=root, fact=fact, cure=cure))
    crops = [crop for folder in folders for crop in _crops_of_person(folder, report)]
    if not crops:
        fact = f"no image ({' '.join(EXTENSIONS)}) in {root.resolve()}"
        raise Problem(kind=EMPTY, place=root, fact=fact, cure=f"it must hold {SHAPE}").error()
    return crops


def _crops_of_person(person: Path, report: Report) -> list[Crop]:
    cameras, images = listed(person)
    crops = [Crop(person.name, "", path) for path in images]
    for camera in cameras:
        deeper, images = listed(camera)
        if deeper:
            fact = f"{deeper[0].resolve()} is one folder too deep"
            cure = f"images must be in {SHAPE}; {INIT}"
            report(Problem(kind=LAYOUT, place=camera, fact=fact, cure=cure))
        crops += [Crop(person.name, camera.name, path) for path in images]
    return crops


def listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Sub-folders and images in sorted order; hidden ones and other files are left out."""
    names = sorted((name, is_folder) for name, is_folder in entries(folder) if not name.startswith("."))
    images = [folder / name for name, is_folder in names if not is_folder and name.lower().endswith(EXTENSIONS)]
    return [folder / name for name, is_folder in names if is_folder], images


def check_depth(lists: Mapping[str, Sequence[Crop]], root: Path, report: Report = stop) -> str:
    """Check that all persons have the same layout, and return its note.

    Raises:
        ValueError: some persons have cameras, others have none.
    """
    example: dict[bool, Path] = {}
    for crop in (crop for crops in lists.values() for crop in crops):
        example.setdefault(crop.camera != "", crop.path.relative_to(root))
    if len(example) > 1:
        fact = f"{root.resolve()} mixes person/image ({example[False]}) and person/camera/image ({example[True]})"
        report(Problem(kind=LAYOUT, place=root, fact=fact, cure="use one of them for all persons"))
    return NESTED if True in example else FLAT
