"""GRID (QMUL underground re-identification): 250 pairs of images in an underground station, 775 images of strangers.

Source: Loy, Xiang and Gong, "Multi-camera Activity Correlation Analysis", CVPR 2009; 1,275 images. The authors divide
the pairs themselves: ``features_and_partitions.mat`` holds ten halves, which are read here. Probe images are searched
in the gallery, whose 775 images of strangers are distractors in every one of them (900 gallery images).

Layout checked in the code of torchreid (KaiyangZhou/deep-person-reid, ``image/grid.py``: folders, names, partitions),
FastReID (JDAI-CV/fast-reid, ``datasets/grid.py``: names) and DualNorm (BJTUJia/person_reID_DualNorm, ``GRID_demo.m``:
125 probes, 900 gallery images); never tried on a real copy.
"""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.io import loadmat, savemat
from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import LISTS, MISSING, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, shots_in
from reid_lit.data.splits import part, train_on_all
from reid_lit.errors import InputError
from reid_lit.files.access import is_dir, is_file, read_bytes
from reid_lit.records import Rules, Shot, Split
from reid_lit.wording import counted

NAMING = Naming(
    title="GRID",
    # person (0000: a stranger), camera, and numbers of the box that nothing is read from
    pattern=re.compile(r"^(?P<person>\d{4})_(?P<camera>[1-8])(?:_\d+)*\.jpe?g$", re.ASCII),
    example="0001_1_25004_107_32_106_221.jpeg",
    extensions=(".jpeg", ".jpg"),
    layout="probe/0001_1_….jpeg, gallery/0001_2_….jpeg, gallery/0000_1_….jpeg and features_and_partitions.mat",
    folders=("underground_reid", "grid/underground_reid", "grid", "GRID"),
)
PROBE, GALLERY, PARTITIONS = "probe", "gallery", "features_and_partitions.mat"
KEY = "trainIdxAll"
SPLITS = 10
PAIRS, STRANGERS = 250, 775
STRANGER = 0


def read(root: Path, *, split_id: int = 0, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: GRID's folder, which holds ``probe/``, or the folder that holds it.

    A gallery image whose person has no probe image shows a stranger, whose person is 0 here: copies number them 0000,
    or each by a number of its own.

    Args:
        root: The folder.
        split_id: Which of the authors' ten halves trains, 0 … 9.
        train_on: ``split`` trains on a half and tests on the other; ``all`` trains on all pairs and leaves nothing to
            test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image, or the partitions are missing.
        ValueError: an image is not named like GRID, the partitions cannot be read, or an option is unknown.
    """
    check_choice("split_id", split_id, tuple(range(SPLITS)))
    check_choice("train_on", train_on, ("split", "all"))
    folder = NAMING.locate(root, PROBE)
    probe, gallery = (shots_in(folder / name, NAMING, report) for name in (PROBE, GALLERY))
    known = {shot.person_id for shot in probe}
    gallery = tuple(s if s.person_id in known else replace(s, person_id=STRANGER) for s in gallery)
    pairs = known & {shot.person_id for shot in gallery}
    half = _halves(folder / PARTITIONS, report)[split_id]
    if absent := sorted(half - pairs):
        fact = f"GRID: {counted(len(absent), 'training person')} of {folder.resolve()} without probe or gallery image"
        cure = "copy the data set anew: the partitions need all"
        examples = tuple(f"{person:04}" for person in absent[:3])
        report(Problem(kind=LISTS, place=folder, fact=fact, cure=cure, examples=examples))
    (train_probe, query), (train_gallery, tested) = part(probe, half), part(gallery, half)
    split = Split(
        name="grid",
        train=_sorted((*train_probe, *train_gallery)),
        query=query,
        gallery=_sorted(tested),
        notes=(f"the authors' partition {split_id} of {SPLITS}, by {PARTITIONS}",),
        rules=Rules(name="grid_10_partitions"),
    )
    return split if train_on == "split" else train_on_all(split, distractors=[STRANGER])


def _sorted(shots: Iterable[Shot]) -> tuple[Shot, ...]:
    return tuple(sorted(shots, key=lambda shot: (shot.person_id, shot.path)))


def _halves(file: Path, report: Report) -> list[frozenset[int]]:
    """The training persons of each partition; empty ones where the file was reported."""
    if not is_file(file):
        fact = f"GRID: no {file.name} in {file.parent.resolve()}"
        cure = "it comes with the images and holds the ten partitions; copy it there"
        report(Problem(kind=MISSING, place=file, fact=fact, cure=cure))
        return [frozenset()] * SPLITS
    try:
        cells = loadmat(io.BytesIO(read_bytes(file)), variable_names=[KEY])[KEY].ravel()
        halves = [frozenset(_numbers(cell)) for cell in cells]
        if len(halves) != SPLITS or not all(halves):
            raise InputError(f"{len(halves)} partitions, the smallest of {min(map(len, halves), default=0)} persons")
    except Exception as error:  # scipy raises errors of many types for a damaged file
        fact = f"{file.resolve()} cannot be read as GRID's ten partitions ({type(error).__name__}: {error})"
        report(Problem(kind=LISTS, place=file, fact=fact, cure="copy it anew from the archive"))
        return [frozenset()] * SPLITS
    return halves


def _numbers(cell: Any) -> Iterator[int]:
    """The training persons of a cell: the third field of the struct in it."""
    while isinstance(cell, np.ndarray):
        cell = cell.ravel()[0]
    yield from (int(number) for number in np.ravel(cell[2]))


@dataclass(kw_only=True, eq=False, repr=False)
class Grid(ReidData):
    """GRID, read from a copy that the user places.

    Args:
        split_id: Which of the authors' ten halves of the pairs trains.
        train_on: ``split`` trains on that half, ``all`` on all pairs, with nothing to test.
    """

    split_id: int = 0
    train_on: str = "split"

    SPLITS: ClassVar[int] = SPLITS

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, split_id=self.split_id, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = NAMING.locate(self.root, PROBE)
        places = [folder / name for name in (PROBE, GALLERY, PARTITIONS)]
        return {p.relative_to(self.root).as_posix(): p for p in places if is_dir(p) or is_file(p)}

    @override
    def official(self) -> dict[str, Count]:
        if self.train_on == "all":
            return {"train": Count(images=2 * PAIRS, persons=PAIRS, junk=0)}
        half = PAIRS // 2
        return {
            "train": Count(images=2 * half, persons=half, junk=0),
            "query": Count(images=half, persons=half, junk=0),
            "gallery": Count(images=half + STRANGERS, persons=half + 1, junk=0),  # one of them the strangers
        }

    @override
    def sample(self) -> Sample:
        return sample()


def sample() -> Sample:
    """Four pairs, two of which train in the first partition, and two strangers."""
    return Sample(images=_IMAGES, files={PARTITIONS: partitions([[1, 2], *[[3, 4]] * (SPLITS - 1)])})


_IMAGES = {f"{PROBE}/{person:04}_1_25004_107_32_106_221.jpeg": (person, 0) for person in (1, 2, 3, 4)} | {
    **{f"{GALLERY}/{person:04}_2_25023_116_134_128_330.jpeg": (person, 1) for person in (1, 2, 3, 4)},
    **{f"{GALLERY}/0000_{camera}_25071_221_31_107_230.jpeg": (0, camera - 1) for camera in (1, 5)},
}


def partitions(halves: list[list[int]]) -> bytes:
    """A file of partitions with these training persons, for the small copy and tests."""
    fields = [("first", object), ("second", object), ("train", object)]
    cells = np.empty((1, len(halves)), object)
    for number, half in enumerate(halves):
        cells[0, number] = np.array([[(0, 0, np.array([half], np.uint16))]], fields)
    file = io.BytesIO()
    savemat(file, {KEY: cells})
    return file.getvalue()
