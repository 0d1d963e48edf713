"""The training and test persons of CUHK03: the new protocol's split files and folders, the classic test sets."""

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from re import Match

from scipy.io import loadmat

from reid_lit.data.problems import LISTS, Problem, Report, stop
from reid_lit.data.sets.cuhk03_archive import TESTSETS, is_web_page, web_page
from reid_lit.data.sets.cuhk03_parts import ARCHIVE, NAMING, NP_NAMING, SPLITS, Options
from reid_lit.data.sets.layout import ORIGINAL
from reid_lit.data.sets.naming import named_images, shots_in
from reid_lit.data.splits import part
from reid_lit.errors import InputError
from reid_lit.files.access import read_bytes
from reid_lit.records import Shot

Shots = tuple[Shot, ...]
_KEYS = ("filelist", "labels", "train_idx", "query_idx", "gallery_idx")


def read_split_file(
    file: Path, images: Path, camera: Callable[[Match[str]], int], report: Report = stop
) -> list[Shots]:
    """Training, query and gallery shots of a split file, each by person, then name; persons are its labels, 1 … 1467.

    Args:
        file: The split file.
        images: The folder of the images that it lists.
        camera: The camera of an image by its name.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no image.
        ValueError: the file cannot be read, or lists images that are not there, as the file of the other kind does.
    """
    names, labels, positions = _content(file)
    present = {path.stem: (path, camera(match)) for path, match in named_images(images, NAMING, report)}
    stems = [Path(name).stem for name in names]  # a copy may hold JPEG files
    absent = sorted(stem for stem in stems if stem not in present)
    if absent:
        fact = f"{len(absent)} of the {len(names)} images that {file.resolve()} lists are not in {images.resolve()}"
        cure = (
            "detected and labeled images have split files of their own; if this is the right one, remove the folder"
            f" and a training run unpacks {ARCHIVE} anew"
        )
        report(Problem(kind=LISTS, place=file, fact=fact, cure=cure, examples=tuple(absent[:3])))
    shots = {
        position: Shot(path=present[stem][0], person_id=labels[position], camera_id=present[stem][1])
        for position, stem in enumerate(stems)
        if stem in present
    }
    return [_sorted(shots[position] for position in chosen if position in shots) for chosen in positions]


def _sorted(shots: Iterable[Shot]) -> Shots:
    return tuple(sorted(shots, key=lambda shot: (shot.person_id, shot.path.name)))


def _content(file: Path) -> tuple[list[str], list[int], list[list[int]]]:
    """Names, labels, and the positions of training, query and gallery images, from 0."""
    if is_web_page(file):
        raise web_page(file).error()
    try:
        content = loadmat(io.BytesIO(read_bytes(file)), variable_names=_KEYS, squeeze_me=True)
        names, labels = [str(name) for name in content["filelist"]], content["labels"].astype(int).tolist()
        positions = [(content[key].astype(int) - 1).tolist() for key in _KEYS[2:]]
    except Exception as error:  # scipy raises errors of many types for a damaged file
        fact = f"{file.resolve()} cannot be read as a split file of CUHK03 ({type(error).__name__}: {error})"
        cure = "copy it anew from Zhong et al.'s public code (person-re-ranking, evaluation/data/CUHK03)"
        raise Problem(kind=LISTS, place=file, fact=fact, cure=cure).error() from error
    return names, labels, positions


def read_np(folder: Path, report: Report = stop) -> list[Shots]:
    """Training, query and gallery shots of the CUHK03-NP release, each by person, then name.

    Args:
        folder: The folder that holds ``bounding_box_train/``, ``query/`` and ``bounding_box_test/``.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like CUHK03-NP.
    """
    return [shots_in(folder / part, NP_NAMING, report) for part in (ORIGINAL.train, ORIGINAL.query, ORIGINAL.gallery)]


def read_classic(images: Path, testsets: Path, options: Options, report: Report = stop) -> tuple[Shots, Shots]:
    """Training and test shots of a classic split, each by person, then name.

    Persons are numbered from 1 in the order of camera pair and number in the pair, as in the new protocol.

    Args:
        images: The folder of the images.
        testsets: The test sets that were written when the archive was unpacked.
        options: Which images, split and cameras.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: there is no image.
        ValueError: the test sets cannot be read, or images of the archive or a test person are missing.
    """
    tested, count = _testset(testsets, options)
    named = named_images(images, NAMING, report)
    keys = [(int(match["pair"]), int(match["person"])) for _, match in named]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)), start=1)}
    absent = [f"{pair}_{person:03d}" for pair, person in tested if (pair, person) not in numbers]
    if absent or len(named) != count:
        fact = (
            f"{images.resolve()} holds {len(named)} images, the archive {count}; {len(absent)} of the {len(tested)}"
            f" test persons of split {options.split_id} have none"
        )
        cure = f"remove the folder and a training run unpacks {ARCHIVE} anew"
        report(Problem(kind=LISTS, place=images, fact=fact, cure=cure, examples=tuple(absent[:3])))
    shots = [
        Shot(path=path, person_id=numbers[key], camera_id=options.camera_of(match))
        for key, (path, match) in zip(keys, named, strict=True)
    ]
    test, train = part(shots, frozenset(numbers[key] for key in tested if key in numbers))
    return train, test


def _testset(file: Path, options: Options) -> tuple[list[tuple[int, int]], int]:
    """The test persons as (pair, person), and the archive's number of images of the kind."""
    try:
        content = json.loads(read_bytes(file))
        if len(content["testsets"]) != SPLITS["classic"]:
            raise InputError(f"{len(content['testsets'])} test sets")
        tested = [(int(pair), int(person)) for pair, person in content["testsets"][options.split_id]]
        return tested, int(content["images"][options.images])
    except (ValueError, KeyError, TypeError) as error:
        fact = f"{file.resolve()} does not hold CUHK03's 20 test sets ({type(error).__name__}: {error})"
        cure = f"remove it and a training run writes {TESTSETS} anew from {ARCHIVE}"
        raise Problem(kind=LISTS, place=file, fact=fact, cure=cure).error() from error
