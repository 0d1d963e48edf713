"""SynergySports: basketball players in sequences of 20 frames (VIPriors re-ID challenge 2021, later DeepSportRadar).

Source: Van Zandycke et al., "DeepSportradar-v1: Computer Vision Dataset for Sports Understanding with High Quality
Annotations", MMSports 2022. 8,569 training images of 436 persons; validation: 50 queries and 910 gallery images of 50
others; a test of 468 queries and 8,703 gallery images whose labels are not public. The challenge of 2021 allowed
neither other data nor pre-trained weights. Its terms come with the archive; do not pass the images on.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import LISTS, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.naming import check_choice, named_images
from reid_lit.data.sets.synergy_parts import NAMING, PARTS, hidden_test, labeled, locate
from reid_lit.data.splits import check_disjoint
from reid_lit.errors import InputError
from reid_lit.files.access import is_dir
from reid_lit.records import Rules, Shot, Split

SAMPLE = Sample(
    images={
        "reid_training/0001_0001_0001.jpeg": (1, 0),
        "reid_training/0001_0001_0002.jpeg": (1, 1),
        "reid_training/0002_0002_0001.jpg": (2, 0),
        "reid_val/query/0300_0050_0001.jpeg": (300, 0),
        "reid_val/gallery/0300_0050_0002.jpeg": (300, 1),
    }
)


def read(
    root: Path,
    *,
    train_on: str = "train",
    test_on: str | None = "val",
    ap: str | None = "sklearn",
    report: Report = stop,
) -> Split:
    """The images below ``root``: ``data_reid`` or the folder that holds it, in either spelling of its folders.

    A query is the first frame of a sequence, and the gallery holds the other frames. Queries get camera 0 and the
    gallery gets camera 1, so that the camera rule excludes nothing. Training images get them in the same way.

    Args:
        root: The folder.
        train_on: ``train``, or ``trainval`` with the validation persons too (for a submission).
        test_on: ``val``; ``test``, whose labels are not public, is an error; None tests nothing.
        ap: Convention of the average precision, by default that of the challenge; None leaves it to the evaluation.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a folder is missing or holds no image.
        ValueError: an image is not named like SynergySports, an option is unknown, or a test person is a training
            person or has no public label.
    """
    check_choice("train_on", train_on, ("train", "trainval"))
    check_choice("test_on", test_on, ("val", "test", None))
    if train_on == "trainval" and test_on == "val":
        raise InputError(
            "train_on=trainval: it trains on the persons of test_on=val; set test_on=null, or train_on=train to test"
        )
    folder = locate(root)
    if test_on == "test":
        raise _hidden_labels(root)
    train = _sequences(folder / "reid_training", report)
    query: tuple[Shot, ...] = ()
    gallery: tuple[Shot, ...] = ()
    notes = ["cameras by convention: 0 for a query and for the first frame of a training sequence, 1 for the rest"]
    if test_on == "val" or train_on == "trainval":
        val = labeled(folder)
        query, gallery = (_shots(val / name, camera, report) for camera, name in enumerate(("query", "gallery")))
        check_disjoint(train, query + gallery, where=folder, report=report)
        notes.append(f"val is {val.name}/")
    if train_on == "trainval":
        train, query, gallery = tuple(sorted((*train, *query, *gallery), key=_order)), (), ()
    rules = Rules(name="synergy_sports_val", ap=ap)
    return Split(name="synergy_sports", train=train, query=query, gallery=gallery, notes=tuple(notes), rules=rules)


def _hidden_labels(root: Path) -> Exception:
    query, gallery = hidden_test(root)
    place = query[0].parents[1]
    fact = f"SynergySports: the labels of the {len(query)} × {len(gallery)} test images in {place} are not public"
    cure = "set dataset.test_on=val; ranking them for a submission needs no labels"
    return Problem(kind=LISTS, place=place, fact=fact, cure=cure).error()


def _shots(folder: Path, camera: int, report: Report) -> tuple[Shot, ...]:
    shots = (
        Shot(path=path, person_id=int(match["person"]), camera_id=camera)
        for path, match in named_images(folder, NAMING, report)
    )
    return tuple(sorted(shots, key=_order))


def _sequences(folder: Path, report: Report) -> tuple[Shot, ...]:
    """Training shots: the first frame of a person's sequence by camera 0, the others by camera 1."""
    firsts: set[tuple[int, int]] = set()
    shots = []
    for shot in _shots(folder, 1, report):
        start = _order(shot)[:2]
        shots.append(shot if start in firsts else replace(shot, camera_id=0))
        firsts.add(start)
    return tuple(shots)


def _order(shot: Shot) -> tuple[int, int, int]:
    """Person, sequence and frame: names need not have leading zeros."""
    person, sequence, frame = shot.path.stem.split("_")
    return int(person), int(sequence), int(frame)


@dataclass(kw_only=True, eq=False, repr=False)
class SynergySports(ReidData):
    """SynergySports, read from a copy that the user places.

    Args:
        train_on: ``train`` or ``trainval``.
        test_on: ``val``, or None to test nothing.
        ap: Convention of the average precision; None leaves it to the evaluation.
    """

    train_on: str = "train"
    test_on: str | None = "val"
    ap: str | None = "sklearn"

    @override
    def read(self, report: Report = stop) -> Split:
        return read(self.root, train_on=self.train_on, test_on=self.test_on, ap=self.ap, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        folder = locate(self.root)
        places = [folder / name for name in PARTS if is_dir(folder / name)]
        return {place.relative_to(self.root).as_posix(): place for place in places}

    @override
    def official(self) -> dict[str, Count]:
        persons, images = (436, 8569) if self.train_on == "train" else (486, 9529)
        counts = {"train": Count(images=images, persons=persons, cameras=2, junk=0)}
        if self.test_on == "val":
            counts["query"] = Count(images=50, persons=50, cameras=1, junk=0)
            counts["gallery"] = Count(images=910, persons=50, cameras=1, junk=0)
        return counts

    @override
    def sample(self) -> Sample:
        return SAMPLE
