"""VeRi-776: 776 vehicles seen by twenty cameras of a city's roads.

Source: Liu et al., "A Deep Learning-Based Approach to Progressive Vehicle Re-identification for Urban Surveillance",
ECCV 2016. 37,778 training images of 576 vehicles, 1,678 queries of 200 others, 11,579 gallery images of these, the
queries among them: 49,357 images in all. Image against image, as on Market-1501: a query's vehicle under its own camera
is removed from its ranking. Image against track: ``evaluation.tracks=nearest evaluation.track_queries=images``, by the
tracks of ``test_track.txt``. On request to the authors.

Layout checked in the code of FastReID (JDAI-CV/fast-reid, ``datasets/veri.py``) and OpenUnReID
(open-mmlab/OpenUnReID, ``datasets/veri.py``, which has the folder ``VeRi_with_plate``); lines of ``test_track.txt`` in
two public readers: the track's name, then the names of its images, with a blank between and behind. Never tried on a
real copy.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import NAMES, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice, shots_in
from reid_lit.data.splits import check_disjoint, train_on_all
from reid_lit.files.access import is_dir, is_file, read_bytes
from reid_lit.kinds import VEHICLE, speak_of
from reid_lit.records import Rules, Shot, Split
from reid_lit.wording import counted

EXAMPLE = "0001_c001_00016450_0.jpg"
NAMING = Naming(
    title="VeRi-776",
    pattern=re.compile(r"^(?P<person>\d{4})_c(?P<camera>00[1-9]|01\d|020)_\d{8}_\d+\.jpg$", re.ASCII),
    example=EXAMPLE,
    extensions=(".jpg",),
    layout=f"image_train/{EXAMPLE} (vehicle, camera, frame, box), image_query/…, image_test/…",
    folders=("VeRi", "VeRi_with_plate", "veri/VeRi_with_plate", "veri"),
)
TRAIN, QUERY, GALLERY = "image_train", "image_query", "image_test"
TRACKS = "test_track.txt"


def read(root: Path, *, train_on: str = "split", report: Report = stop) -> Split:
    """The images below ``root``: VeRi's folder, which holds ``image_train/``, or one around it.

    Args:
        root: The folder.
        train_on: ``split``, or ``all`` vehicles, each image once, which leaves nothing to test.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like VeRi, a vehicle is in training and in testing, ``train_on`` is unknown,
            or ``test_track.txt`` names an image that is not there, or twice.
    """
    speak_of(VEHICLE)
    check_choice("train_on", train_on, ("split", "all"))
    folder = NAMING.locate(root, TRAIN, GALLERY)
    train, query, gallery = (shots_in(folder / name, NAMING, report) for name in (TRAIN, QUERY, GALLERY))
    check_disjoint(train, query + gallery, where=folder, report=report)
    tracks = _tracks(folder / TRACKS, gallery, report)
    query, gallery = (tuple(replace(s, track_id=tracks.get(s.path.name)) for s in shots) for shots in (query, gallery))
    known = sum(shot.track_id is not None for shot in gallery)
    note = f"tracks: {len(set(tracks.values()))}, of {counted(known, 'gallery image')}" if tracks else f"no {TRACKS}"
    split = Split(
        name="veri776",
        train=train,
        query=query,
        gallery=gallery,
        notes=(note,),
        rules=Rules(name="veri776"),
        kind=VEHICLE,
    )
    if train_on == "split":
        return split
    twice = {shot.path.name for shot in gallery}
    return train_on_all(replace(split, query=tuple(shot for shot in query if shot.path.name not in twice)))


def _tracks(file: Path, gallery: Sequence[Shot], report: Report) -> dict[str, int]:
    """The number of the track of each image name, by the file's lines; nothing where there is no such file."""
    if not is_file(file):
        return {}
    names = {shot.path.name for shot in gallery}
    tracks: dict[str, int] = {}
    bad = []
    for number, line in enumerate(read_bytes(file).decode(errors="replace").splitlines(), start=1):
        images = line.split()[1:]
        wrong = [image for image in images if image not in names or image in tracks]
        if line.strip() and (wrong or not images):
            bad.append(f"line {number}: {(wrong or [line])[0][:80]}")
        tracks |= dict.fromkeys((image for image in images if image not in tracks), number - 1)
    if bad:
        fact = f"{counted(len(bad), 'line')} of {file.resolve()} without images, or with one of no {GALLERY}/ or twice"
        cure = "copy the file anew from the archive, or remove it to test without tracks"
        report(Problem(kind=NAMES, place=file, fact=fact, cure=cure, examples=tuple(bad[:3])))
    return tracks


@dataclass(kw_only=True, eq=False, repr=False)
class Veri776(ReidData):
    """VeRi-776, read from a copy that the user places.

    Args:
        train_on: ``split``, or ``all`` vehicles with nothing to test.
    """

    train_on: str = "split"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = NAMING.locate(self.root, TRAIN, GALLERY)
        places = (folder / name for name in (TRAIN, QUERY, GALLERY, TRACKS))
        return {place.relative_to(self.root).as_posix(): place for place in places if is_dir(place) or is_file(place)}

    @override
    def official(self) -> dict[str, Count]:
        if self.train_on == "all":
            return {"train": Count(images=37778 + 11579, persons=776, junk=0)}
        return {
            "train": Count(images=37778, persons=576, junk=0),
            "query": Count(images=1678, persons=200, junk=0),
            "gallery": Count(images=11579, persons=200, junk=0),
        }

    @override
    def sample(self) -> Sample:
        return SAMPLE


SAMPLE = Sample(
    images={
        "image_train/0001_c001_00016450_0.jpg": (1, 0),
        "image_train/0001_c020_00016555_0.jpg": (1, 19),
        "image_train/0776_c011_00083000_1.jpg": (776, 10),
        "image_query/0002_c002_00030600_0.jpg": (2, 1),
        "image_test/0002_c002_00030600_0.jpg": (2, 1),
        "image_test/0002_c003_00030670_0.jpg": (2, 2),
        "image_test/0005_c009_00051000_0.jpg": (5, 8),
    },
    copies={"image_test/0002_c002_00030600_0.jpg": "image_query/0002_c002_00030600_0.jpg"},
)
