"""A user's own crops in folders, split by identity or already split.

``person/camera/image``, ``person/image`` or ``camera/person/image``; ``camera/image`` and ``image`` where no persons
are known. Person and camera folders may have any names. Persons are numbered from 1 and cameras from 0, both in the
sorted order of their names (of their values, where all names are whole numbers); ``person_names`` gives their names. A
person folder ``-1`` is junk, as in Market-1501.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.passed_over import unread_formats
from reid_lit.data.problems import EMPTY, LAYOUT, MISSING, NAMES, Problem, Report, stop
from reid_lit.data.sets.camera_names import all_name_cameras, why_cameras
from reid_lit.data.sets.crops import NEEDED, UNSPLIT, WORDS, drawn, ready_made, unlabelled
from reid_lit.data.sets.naming import check_choice
from reid_lit.data.sets.person_names import JUNK_NAME, Crop, settled
from reid_lit.files.access import entries, files_below, is_dir, is_file
from reid_lit.records import Split
from reid_lit.wording import counted

SHAPE = "person/camera/image or person/image, or train/, query/ and gallery/ each with such folders"
INIT = "python -m reid_lit.init with a pattern= makes a list for dataset=csv of any other layout"

AUTO = "auto"
CAMERA_FIRST = "camera/person/image"
NO_PERSONS = ("camera/image", "image")
LAYOUTS = (AUTO, "person/camera/image", "person/image", CAMERA_FIRST, *NO_PERSONS)
"""What the folders may be; ``auto`` is one of the next two."""


def read(
    root: Path,
    *,
    train_fraction: float = 0.5,
    split_seed: int = 0,
    layout: str = AUTO,
    junk: Iterable[str | int] = (JUNK_NAME,),
    report: Report = stop,
) -> Split:
    """The crops below ``root``.

    Without ready-made ``train/``, ``query/`` and ``gallery/`` (and ``val/``, if there), a share of the persons trains,
    drawn by ``split_seed``; the first image by name of each other person and camera is a query, the rest is the
    gallery, and a person with a single image is a distractor there.

    Args:
        root: The folder.
        train_fraction: Share of the persons to train on, in (0, 1); at least one trains and one is left.
        split_seed: Seed of the choice.
        layout: One of :data:`LAYOUTS`.
        junk: The names of persons that are junk.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, no image, or only a part of a ready-made split.
        ValueError: the folders are mixed or too deep, of another layout, or the persons are too few to split.
    """
    check_choice("layout", layout, LAYOUTS)
    if layout in NO_PERSONS:
        return unlabelled(_crops(_folder(root), report, layout), name="folder", place=root)
    lists = crops_below(part_folders(root), report, layout)
    note = check_depth(lists, root, report)
    if layout == AUTO:
        check_persons_first(lists, root, report)
    elif note != (expected := FLAT if layout == "person/image" else NESTED):
        fact, cure = f"{root.resolve()} has the {note}, not {layout}", "leave dataset.layout out"
        report(Problem(kind=LAYOUT, place=root, fact=fact, cure=cure))
        note = expected
    lists, forms = settled(lists, junk=junk, place=root, report=report)
    if UNSPLIT in lists:
        crops = lists[UNSPLIT]
        split = drawn(crops, name="folder", place=root, train_fraction=train_fraction, split_seed=split_seed)
    else:
        split = ready_made(
            lists, name="folder", place=root, source=lambda c: f"{c.path.relative_to(root)}", report=report
        )
    note = f"layout: {CAMERA_FIRST}" if layout == CAMERA_FIRST else note
    return replace(split, notes=(note, *forms, *split.notes))


SWAPPED = f"dataset.layout={CAMERA_FIRST} reads it so; dataset.layout=person/camera/image if it is right as it is"
NO_PERSON = (
    "dataset.layout=camera/image reads images to adapt to, without persons; if the file names hold the persons,"
    f" {INIT}; dataset.layout=person/image if these are persons"
)


def check_persons_first(
    lists: Mapping[str, Sequence[Crop]],
    root: Path,
    report: Report = stop,
    *,
    swapped: str = SWAPPED,
    no_person: str = NO_PERSON,
) -> None:
    """Report folders of cameras that would be read as persons.

    Args:
        lists: The crops of each list.
        root: The folder.
        report: Receives what is wrong; by default it raises.
        swapped: The cure where the cameras come first, then the persons.
        no_person: The cure where there are cameras alone.

    Raises:
        ValueError: the names of the folders, or how they share sub-folders, say so.
    """
    crops = list(chain.from_iterable(lists.values()))
    persons = sorted({crop.person for crop in crops})
    if why := why_cameras(crops):
        fact = f"{root.resolve()}, read as person/camera/image: {why}"
        example = next(crop for crop in crops if crop.camera)
        examples = (f"{example.path.relative_to(root)} would show person {example.person!r}",)
        report(Problem(kind=NAMES, place=root, fact=fact, cure=swapped, examples=examples))
    elif all_name_cameras(persons) and not any(crop.camera for crop in crops):
        fact = f"{root.resolve()}, read as person/image: its {len(persons)} folders have the names of cameras"
        report(Problem(kind=NAMES, place=root, fact=fact, cure=no_person, examples=tuple(persons[:3])))


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
    _folder(root)
    present = [name for name in WORDS if is_dir(root / name)]
    marks = [name for name in present if name != "val"]  # val/ alone may be a person
    lacking = [f"{name}/" for name in NEEDED if name not in marks]
    if marks and lacking:
        folders = f"{root.resolve()} has {marks[0]}/ but no {', '.join(lacking)}"
        fact = f"{folders}: a ready-made split needs query/ and gallery/"
        cure = f"add what is missing, or rename {marks[0]}/ if it is a person"
        raise Problem(kind=MISSING, place=root, fact=fact, cure=cure).error()
    return {name: root / name for name in present} if marks else {UNSPLIT: root}


def _folder(root: Path) -> Path:
    """The folder, if there is one.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: ``root`` is a file.
    """
    if is_file(root):
        cure = "dataset=csv reads lists" if root.suffix.lower() == ".csv" else "unpack it if it is an archive"
        fact = f"{root.resolve()} is a file, not a folder"
        raise Problem(kind=LAYOUT, place=root, fact=fact, cure=f"{cure}; dataset.root must hold {SHAPE}").error()
    if not is_dir(root):
        fact = f"no such folder: {root.resolve()}"
        raise Problem(kind=MISSING, place=root, fact=fact, cure=f"point dataset.root at {SHAPE}").error()
    return root


def crops_below(folders: Mapping[str, Path], report: Report = stop, layout: str = AUTO) -> dict[str, list[Crop]]:
    """The crops of each list.

    Raises:
        FileNotFoundError: a folder holds no image.
        ValueError: images are next to the person folders, or too deep.
    """
    return {name: _crops(folder, report, layout) for name, folder in folders.items()}


def _crops(root: Path, report: Report, layout: str) -> list[Crop]:
    folders, images = listed(root)
    if layout == "image":
        crops = [Crop("", "", path) for path in files_below(root) if _is_image(path)]
    else:
        if images:
            count = counted(len(images), "image is", "images are")
            fact = f"{count} in {root.resolve()} itself, such as {images[0].name}"
            first = "camera" if layout in (CAMERA_FIRST, *NO_PERSONS) else "person"
            shape = SHAPE if first == "person" else layout
            cure = f"put each into a folder named after its {first} ({shape}); {INIT}"
            report(Problem(kind=LAYOUT, place=root, fact=fact, cure=cure))
        crops = [crop for folder in folders for crop in _crops_of(folder, report, layout)]
    if not crops:
        fact = f"no image ({' '.join(EXTENSIONS)}) in {root.resolve()}{unread_formats(root)}"
        shape = SHAPE if layout == AUTO else layout
        raise Problem(kind=EMPTY, place=root, fact=fact, cure=f"it must hold {shape}").error()
    return crops


def _crops_of(outer: Path, report: Report, layout: str) -> list[Crop]:
    """The crops of a person's folder, or of a camera's, by the layout."""
    inner, images = listed(outer)
    if images and layout == CAMERA_FIRST:
        fact = f"{counted(len(images), 'image is', 'images are')} in {outer.resolve()} itself, such as {images[0].name}"
        cure = f"put each into a folder named after its person ({layout})"
        report(Problem(kind=LAYOUT, place=outer, fact=fact, cure=cure))
        images = []
    crops = [Crop(outer.name, "", path) for path in images]
    for folder in inner:
        deeper, images = listed(folder)
        if deep := next((below for below in deeper if any(map(_is_image, files_below(below)))), None):
            fact = f"{deep.resolve()} is one folder too deep"
            cure = f"images must be in {SHAPE if layout == AUTO else layout}; {INIT}"
            report(Problem(kind=LAYOUT, place=folder, fact=fact, cure=cure))
        crops += [Crop(outer.name, folder.name, path) for path in images]
    if layout in NO_PERSONS:
        return [Crop("", crop.person, crop.path) for crop in crops]
    return [Crop(c.camera, c.person, c.path) for c in crops] if layout == CAMERA_FIRST else crops


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(EXTENSIONS)


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
