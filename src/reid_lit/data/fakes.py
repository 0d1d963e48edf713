"""Images of the training persons in the styles of other cameras: their names, and reading them.

Source: Zhong et al., "Camera Style Adaptation for Person Re-identification", CVPR 2018; the names are those of its
public images, ``<image>_fake_<camera>to<camera>.jpg`` in ``bounding_box_train_camstyle``, cameras counted from 1.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.fake_folder import record
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import EMPTY, MISSING, NAMES, Problem
from reid_lit.errors import InputError
from reid_lit.files.access import entries, is_dir, is_file, read_bytes
from reid_lit.files.box import unboxed
from reid_lit.records import Shot
from reid_lit.wording import counted

FOLDER = "bounding_box_train_camstyle"
"""The folder's name, beside that of the training images."""

SOURCES = "training_list.txt"
"""In the folder: the images that the generators have learnt from, one a line, by absolute paths."""

_NAME = re.compile(r"^(?P<image>.+)_fake_(?P<from>\d+)to(?P<to>\d+)$", re.ASCII)
_ENDING = re.compile(rf"(?:{'|'.join(map(re.escape, EXTENSIONS))})+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fakes:
    """The generated images of a training.

    Attributes:
        shots: The images, sorted by name; person of the image that each was made from, camera of its style.
        folder: Where they are.
        aside: How many are left out, since their persons are held out.
        record: What the folder says of how they were made, and a digest of them; empty for images of others.
        made_from: The images that the generators have learnt from, as far as that is known.
    """

    shots: tuple[Shot, ...] = ()
    folder: Path = Path()
    aside: int = 0
    record: bytes = b""
    made_from: frozenset[str] = frozenset()

    def mark(self, fingerprint: str) -> str:
        """The fingerprint of a training list, marked by how its generated images were made."""
        return hashlib.sha256(fingerprint.encode() + self.record).hexdigest() if self.record else fingerprint

    def in_words(self, batch_size: int) -> str:
        """What the log says of them."""
        left = f"; {counted(self.aside, 'image')} of held-out persons left out" if self.aside else ""
        return (
            f"{counted(len(self.shots), 'generated image')} of {self.folder}, {batch_size} in each training step beside"
            f" the real ones{left}"
        )


def stem(path: Path) -> str:
    """The name of an image without its ending.

    >>> stem(Path("query/0003_c5s1_000301_00.jpg.jpg"))
    '0003_c5s1_000301_00'
    """
    return _ENDING.sub("", unboxed(path)[0].name)


def fake_name(shot: Shot, camera: int) -> str:
    """The file of an image in the style of another camera.

    >>> fake_name(Shot(Path("0002_c1s1_000451_03.jpg"), 2, 0), 5)
    '0002_c1s1_000451_03_fake_1to6.jpg'
    """
    return f"{stem(shot.path)}_fake_{shot.camera_id + 1}to{camera + 1}.jpg"


def by_stem(shots: Sequence[Shot]) -> dict[str, Shot]:
    """The images by their names without endings.

    Raises:
        InputError: two of them have the same name, and so would have what is made of them.
    """
    found = {stem(shot.path): shot for shot in shots}
    if len(found) < len(shots):
        (name, number), *_ = Counter(stem(shot.path) for shot in shots).most_common(1)
        raise InputError(
            f"{number} of {len(shots)} training images have the name {name}, and images in other cameras' styles are"
            f" known by the names of those that they are made from; give each image a name of its own"
        )
    return found


def folder_of(fakes: str | Path, train: Sequence[Shot]) -> Path:
    """The folder of generated images: a name alone lies beside the deepest folder that holds all training images."""
    place = Path(fakes).expanduser()
    if place.name != str(place) or not train:
        return place
    return Path(os.path.commonpath({unboxed(shot.path)[0].parent for shot in train})).parent / place


def read_fakes(fakes: str | Path, train: Sequence[Shot], *, aside: Sequence[Shot] = ()) -> Fakes:
    """The generated images of the persons of a training list.

    Args:
        fakes: Their folder, or its name beside that of the training images.
        train: The training images.
        aside: Images of persons that are held out: what was made of them is left out.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like generated ones, or was made from none of the training images, or has the
            style of a camera that took none of them.
    """
    folder = folder_of(fakes, [*train, *aside])
    names = _names(folder, fakes)
    known, held = by_stem(train), by_stem(aside)
    cameras = {shot.camera_id for shot in (*train, *aside)}
    shots, odd, unknown, left = [], [], [], 0
    for name in names:
        match = _NAME.match(_ENDING.sub("", name))
        if match is None:
            odd.append(name)
        elif match["image"] in held:
            left += 1
        elif (source := known.get(match["image"])) is None or int(match["to"]) - 1 not in cameras:
            unknown.append(name)
        else:
            shots.append(Shot(folder / name, source.person_id, int(match["to"]) - 1))
    if odd:
        fact = f"{len(odd)} of {counted(len(names), 'image')} in {folder.resolve()} are not named <image>_fake_1to2.jpg"
        raise Problem(kind=NAMES, place=folder, fact=fact, cure="move them away", examples=tuple(odd[:3])).error()
    if unknown:
        fact = (
            f"{len(unknown)} of {counted(len(names), 'image')} in {folder.resolve()} are made from no image of the"
            f" training list, or in the style of none of its cameras"
        )
        cure = "they are of another data set, or of another copy; give dataset.fakes=<its own folder>"
        raise Problem(kind=NAMES, place=folder, fact=fact, cure=cure, examples=tuple(unknown[:3])).error()
    return Fakes(shots=tuple(shots), folder=folder, aside=left, record=record(folder), made_from=_made_from(folder))


def refuse_fakes(*folders: str | Path | None) -> None:
    """Raise InputError where one of several data sets that are trained on together has generated images."""
    for fakes in folders:
        if fakes is not None:
            raise InputError(
                f"fakes={fakes}: images in other cameras' styles are learnt with one data set alone; set"
                f" dataset=<that one>, or fakes=null"
            )


def example_styles(shots: Sequence[Shot], folder: Path, *, number: int) -> list[tuple[Shot, dict[int, Shot]]]:
    """Some images, of each camera in turn and evenly over all, with what is there of them in the styles of others.

    Args:
        shots: The images.
        folder: Of the generated ones.
        number: How many images, at most.
    """
    cameras = sorted({shot.camera_id for shot in shots})
    some = []
    for place in range(number):
        own = [shot for shot in shots if shot.camera_id == cameras[place % len(cameras)]]
        some.append(own[place * len(own) // number])
    found = []
    for shot in dict.fromkeys(some):
        made = {camera: folder / fake_name(shot, camera) for camera in cameras if camera != shot.camera_id}
        there = {camera: Shot(file, shot.person_id, camera) for camera, file in made.items() if is_file(file)}
        found.append((shot, there))
    return found


def _names(folder: Path, fakes: str | Path) -> list[str]:
    """The image files of a folder, sorted; hidden ones and others are passed over."""
    cure = (
        "python -m reid_lit.camstyle dataset=… makes the images; dataset.fakes=<folder> names another place, and"
        " dataset.fakes=null trains without"
    )
    if not is_dir(folder):
        fact = f"fakes={fakes}: no folder {folder.resolve()}"
        raise Problem(kind=MISSING, place=folder, fact=fact, cure=cure).error()
    names = (name for name, is_folder in entries(folder) if not is_folder and not name.startswith("."))
    images = sorted(name for name in names if name.lower().endswith(EXTENSIONS))
    if not images:
        fact = f"fakes={fakes}: no image in {folder.resolve()}"
        raise Problem(kind=EMPTY, place=folder, fact=fact, cure=cure).error()
    return images


def _made_from(folder: Path) -> frozenset[str]:
    if not is_file(folder / SOURCES):
        return frozenset()
    return frozenset(filter(None, read_bytes(folder / SOURCES).decode().split("\n")))
