"""MSMT17: 4,101 persons seen by 15 cameras, indoors and outdoors; in version 2 the faces are blurred.

Source: Wei et al., "Person Transfer GAN to Bridge Domain Gap for Person Re-Identification", CVPR 2018. 32,621 images of
1,041 persons to train and validate with, 11,659 queries and 82,161 gallery images of 3,060 others, as two public
parsers count them; not counted here. The authors ask for a signed licence form; do not pass the images on.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import EMPTY, MISSING, NAMES, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice
from reid_lit.data.splits import train_on_all
from reid_lit.files.access import entries, exists, is_dir, is_file, read_bytes
from reid_lit.records import Rules, Shot, Split

NAMING = Naming(
    title="MSMT17",
    # a line of a list: path below the folder of images, person; camera: two digits, the third field of the name
    pattern=re.compile(
        r"^(?P<path>(?:\w+/)*\d{4}_\d{3}_(?P<camera>0[1-9]|1[0-5])_\w+\.jpg)\s+(?P<person>\d+)$", re.ASCII
    ),
    example="0000/0000_000_01_0303morning_0008_0.jpg 0",
    extensions=(".jpg",),
    layout=(
        "train/, test/ (version 1) or mask_train_v2/, mask_test_v2/ (version 2) next to list_train.txt, list_val.txt,"
        " list_query.txt, list_gallery.txt"
    ),
    folders=("MSMT17_V1", "MSMT17_V2", "MSMT17", "msmt17", "msmt17/MSMT17_V1", "msmt17/MSMT17_V2"),
)
VERSIONS = {"V2": ("mask_train_v2", "mask_test_v2"), "V1": ("train", "test")}
SAMPLE = Sample(
    images={
        "train/0000/0000_000_01_0303morning_0008_0.jpg": (0, 0),
        "train/0001/0001_000_15_0303noon_0017_2.jpg": (1, 14),
        "test/0000/0000_000_01_0303morning_0015_0.jpg": (2, 0),  # the authors' test person 0
        "test/0000/0000_002_12_0303morning_0016_0.jpg": (2, 11),
    },
    files={
        "list_train.txt": (b"0000/0000_000_01_0303morning_0008_0.jpg 0\n0001/0001_000_15_0303noon_0017_2.jpg 1\n"),
        "list_val.txt": b"0000/0000_001_04_0303morning_0015_0.jpg 0\n",  # only train_on=trainval reads this image
        "list_query.txt": b"0000/0000_000_01_0303morning_0015_0.jpg 0\n",
        "list_gallery.txt": b"0000/0000_002_12_0303morning_0016_0.jpg 0\n",
    },
)


def read(root: Path, *, train_on: str = "train", report: Report = stop) -> Split:
    """The lists below ``root``: the folder of a version, or the folder that holds it.

    The authors number training and test persons from 0 each; here the test persons go on where the training persons
    end, so that no number stands for two. That a listed image is there is not looked for.

    Args:
        root: The folder.
        train_on: ``train`` (the usual setting), or ``trainval``: with the images of ``list_val.txt``, which show the
            training persons, so that they are of no use for validation; or ``all``: the test persons too, which
            leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a list or a folder is missing, or both versions are in ``root``.
        ValueError: a line of a list does not parse, or an option is unknown.
    """
    check_choice("train_on", train_on, ("train", "trainval", "all"))
    folder, version = _locate(root)
    places = {name: folder / name for name in VERSIONS[version]}
    for place in places.values():
        if not is_dir(place):
            fact = f"MSMT17: no {place.name}/ in {folder.resolve()}"
            report(Problem(kind=MISSING, place=place, fact=fact, cure=NAMING.cure))
    train_place, test_place = places.values()
    train = _listed(folder / "list_train.txt", train_place, report)
    val = _listed(folder / "list_val.txt", train_place, report)
    offset = 1 + max((shot.person_id for shot in (*train, *val)), default=-1)
    query, gallery = (
        tuple(replace(shot, person_id=shot.person_id + offset) for shot in _listed(folder / name, test_place, report))
        for name in ("list_query.txt", "list_gallery.txt")
    )
    faces = "blurred" if version == "V2" else "as recorded"
    notes = (f"version {version[1]}, faces {faces}", f"test persons are numbered from {offset}, the lists' own 0")
    if train_on != "train":
        train = tuple(sorted((*train, *val), key=lambda shot: (shot.person_id, shot.path)))
    rules = Rules(name=f"msmt17_{version.lower()}")
    split = Split(name="msmt17", train=train, query=query, gallery=gallery, notes=notes, rules=rules)
    return split if train_on != "all" else train_on_all(split)


def _locate(root: Path) -> tuple[Path, str]:
    """The folder of a version and which it is."""
    found = [
        (folder, version)
        for folder in (root, *(root / name for name in NAMING.folders))
        for version, parts in VERSIONS.items()
        if any(is_dir(folder / part) for part in parts) and _has_lists(folder)
    ]
    different = {folder.resolve(): version for folder, version in found}  # names may differ in case only
    if not found:
        raise NAMING.nowhere(root, "train/ or mask_train_v2/ next to list_train.txt").error()
    if found[0][0] != root and len(different) > 1:
        fact = f"MSMT17: {len(different)} versions are in {root.resolve()}"
        cure = "point dataset.root at one of them; their scores differ"
        examples = tuple(str(folder.relative_to(root)) for folder, _ in found)
        raise Problem(kind=MISSING, place=root, fact=fact, cure=cure, examples=examples).error()
    return found[0]


def _has_lists(folder: Path) -> bool:
    return any(name.startswith("list_") and name.endswith(".txt") for name, _ in entries(folder))


def _listed(file: Path, images: Path, report: Report) -> tuple[Shot, ...]:
    """The shots that a list names, by person, then path."""
    if not is_file(file):
        fact = f"MSMT17: no {file.name} in {file.parent.resolve()}"
        report(Problem(kind=MISSING, place=file, fact=fact, cure=NAMING.cure))
        return ()
    shots, bad = [], []
    lines = read_bytes(file).decode(errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        match = NAMING.pattern.match(line.strip())
        if match:
            camera = int(match["camera"]) - 1
            shots.append(Shot(path=images / match["path"], person_id=int(match["person"]), camera_id=camera))
        elif line.strip():
            bad.append(f"line {number}: {line.strip()[:80]}")
    if bad:
        fact = f"{len(bad)} of {len(lines)} lines of {file.resolve()} are not like MSMT17 ({NAMING.example})"
        cure = "copy the list anew from the archive"
        report(Problem(kind=NAMES, place=file, fact=fact, cure=cure, examples=tuple(bad[:3])))
    if not shots:
        fact = f"MSMT17: {file.resolve()} lists no image"
        report(Problem(kind=EMPTY, place=file, fact=fact, cure="copy the list anew from the archive"))
    return tuple(sorted(shots, key=lambda shot: (shot.person_id, shot.path)))


@dataclass(kw_only=True, eq=False, repr=False)
class MSMT17(ReidData):
    """MSMT17, read from a copy that the user places.

    Args:
        train_on: ``train``, ``trainval`` with the validation images, or ``all`` persons with nothing to test.
    """

    train_on: str = "train"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder, version = _locate(self.root)
        lists = [name for name, is_folder in entries(folder) if name.startswith("list_") and not is_folder]
        places = [folder / name for name in (*VERSIONS[version], *sorted(lists))]
        return {place.relative_to(self.root).as_posix(): place for place in places if exists(place)}

    @override
    def official(self) -> dict[str, Count]:
        if self.train_on == "all":
            return {"train": Count(images=32621 + 11659 + 82161, persons=4101)}
        counts = {"query": Count(images=11659, persons=3060), "gallery": Count(images=82161, persons=3060)}
        if self.train_on == "trainval":  # there is no official count of list_train.txt alone
            counts["train"] = Count(images=32621, persons=1041)
        return counts

    @override
    def sample(self) -> Sample:
        return SAMPLE
