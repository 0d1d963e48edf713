"""VehicleID (PKU): 26,267 vehicles on the roads of a small city, from ahead or behind; no word of which camera.

Source: Liu et al., "Deep Relative Distance Learning: Tell the Difference Between Similar Vehicles", CVPR 2016. Lists of
images and vehicles: 113,346 images of 13,164 vehicles train; 800, 1,600 or 2,400 others are tested. One image of each,
drawn at random, is the gallery, all others are queries; ten draws, averaged. The authors fixed no draws: ours follow
from a seed and the list. As no camera is known, nothing is removed from a ranking. On request to the authors.

Layout checked in the code of FastReID (JDAI-CV/fast-reid, ``datasets/vehicleid.py``) and OpenUnReID
(open-mmlab/OpenUnReID, ``datasets/vehicleid.py``, which has the folder ``vehicleid/VehicleID``); ``VehicleID_V1.0`` is
what other public code calls the unpacked archive. Never tried on a real copy.
"""

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import EMPTY, MISSING, NAMES, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import Naming, check_choice
from reid_lit.data.splits import check_disjoint
from reid_lit.files.access import is_dir, is_file, read_bytes
from reid_lit.kinds import VEHICLE, speak_of
from reid_lit.records import Rules, Shot, Split

NAMING = Naming(
    title="VehicleID",
    pattern=re.compile(r"^(?P<image>\d+)\s+(?P<person>\d+)$", re.ASCII),  # a line of a list: image, vehicle
    example="0000017 1",
    extensions=(".jpg",),
    layout="image/0000017.jpg next to train_test_split/train_list.txt, test_list_800.txt, … (image, vehicle)",
    folders=("VehicleID_V1.0", "VehicleID", "vehicleid/VehicleID_V1.0", "vehicleid/VehicleID", "vehicleid"),
)
IMAGES, LISTS = "image", "train_test_split"
TESTED = {800: 6493, 1600: 13377, 2400: 19777}
"""Images of the test lists, by their number of vehicles."""
DRAWS = 10
CAMERA = 0


def read(root: Path, *, test_vehicles: int = 800, report: Report = stop) -> Split:
    """The lists below ``root``: VehicleID's folder, which holds ``image/``, or one around it.

    That a listed image is there is not looked for.

    Args:
        root: The folder.
        test_vehicles: Which list is tested: 800, 1600 or 2400 vehicles.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a list or the folder of images is missing.
        ValueError: a line of a list does not parse, a vehicle is in training and in testing, or there is no such list.
    """
    speak_of(VEHICLE)
    check_choice("test_vehicles", test_vehicles, tuple(TESTED))
    folder = NAMING.locate(root, LISTS)
    if not is_dir(folder / IMAGES):
        fact = f"VehicleID: no {IMAGES}/ in {folder.resolve()}"
        report(Problem(kind=MISSING, place=folder / IMAGES, fact=fact, cure=NAMING.cure))
    train, test = (_listed(folder, name, report) for name in ("train_list.txt", f"test_list_{test_vehicles}.txt"))
    check_disjoint(train, test, where=folder, report=report)
    name = f"vehicleid_{test_vehicles}"
    rules = Rules(name=name, camera_rule="any_camera")
    tests = [_drawn(test, draw) for draw in range(DRAWS)]
    return Split(
        name="vehicleid",
        train=train,
        query=(),
        gallery=(),
        notes=(f"{DRAWS} draws of one gallery image of each vehicle, ours; no camera is known",),
        rules=rules,
        kind=VEHICLE,
        tests=tuple(
            Split(name=f"{name}_draw_{draw}", train=(), query=query, gallery=gallery, rules=rules, kind=VEHICLE)
            for draw, (query, gallery) in enumerate(tests)
        ),
        average=name,
    )


def _drawn(test: Sequence[Shot], draw: int) -> tuple[tuple[Shot, ...], tuple[Shot, ...]]:
    """Queries and gallery of a draw: one image of each vehicle is in the gallery, the others are queries."""
    images: dict[int, list[Shot]] = defaultdict(list)
    for shot in test:
        images[shot.person_id].append(shot)
    source = random.Random(f"vehicleid {draw}")
    gallery = {source.choice(shots).path for _, shots in sorted(images.items())}
    queries = tuple(shot for shot in test if shot.path not in gallery)
    return queries, tuple(shot for shot in test if shot.path in gallery)


def _listed(folder: Path, name: str, report: Report) -> tuple[Shot, ...]:
    """The shots that a list names, by vehicle, then image."""
    file = folder / LISTS / name
    if not is_file(file):
        fact = f"VehicleID: no {file.name} in {file.parent.resolve()}"
        report(Problem(kind=MISSING, place=file, fact=fact, cure=NAMING.cure))
        return ()
    shots, bad = [], []
    lines = [line.strip() for line in read_bytes(file).decode(errors="replace").splitlines()]
    for number, line in enumerate(lines, start=1):
        if match := NAMING.pattern.match(line):
            path = folder / IMAGES / f"{match['image']}.jpg"
            shots.append(Shot(path=path, person_id=int(match["person"]), camera_id=CAMERA))
        elif line:
            bad.append(f"line {number}: {line[:80]}")
    if bad:
        fact = f"{len(bad)} of {len(lines)} lines of {file.resolve()} are not like VehicleID ({NAMING.example})"
        cure = "copy the list anew from the archive"
        report(Problem(kind=NAMES, place=file, fact=fact, cure=cure, examples=tuple(bad[:3])))
    if not shots:
        fact = f"VehicleID: {file.resolve()} lists no image"
        report(Problem(kind=EMPTY, place=file, fact=fact, cure="copy the list anew from the archive"))
    return tuple(sorted(shots, key=lambda shot: (shot.person_id, shot.path)))


@dataclass(kw_only=True, eq=False, repr=False)
class VehicleID(ReidData):
    """VehicleID, read from a copy that the user places.

    Args:
        test_vehicles: Which list is tested: 800, 1600 or 2400 vehicles.
    """

    test_vehicles: int = 800

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, test_vehicles=self.test_vehicles, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = NAMING.locate(self.root, LISTS)
        places = (folder / name for name in (IMAGES, LISTS))
        return {place.relative_to(self.root).as_posix(): place for place in places if is_dir(place)}

    @override
    def official(self) -> dict[str, Count]:
        vehicles, total = self.test_vehicles, TESTED[self.test_vehicles]
        counts = {"train": Count(images=113346, persons=13164, cameras=1, junk=0)}
        for draw in range(DRAWS):
            test = f"vehicleid_{vehicles}_draw_{draw}"
            counts[f"{test} query"] = Count(images=total - vehicles, persons=vehicles, cameras=1, junk=0)
            counts[f"{test} gallery"] = Count(images=vehicles, persons=vehicles, cameras=1, junk=0)
        return counts

    @override
    def sample(self) -> Sample:
        return SAMPLE


SAMPLE = Sample(
    images={f"{IMAGES}/{image:07}.jpg": (image // 10, CAMERA) for image in (10, 11, 20, 21, 30, 31, 32, 40, 41)},
    files={
        f"{LISTS}/train_list.txt": b"0000010 1\n0000011 1\n0000020 2\n0000021 2\n",
        f"{LISTS}/test_list_800.txt": b"0000030 3\n0000031 3\n0000032 3\n0000040 4\n0000041 4\n",
    },
)
