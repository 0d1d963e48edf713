"""The images, persons and cameras of a list in numbers, and its files."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from reid_lit.data.counts import Count, count
from reid_lit.data.file_headers import Files, files_of
from reid_lit.data.spread import Spread, spread
from reid_lit.records import JUNK, Shot, Split

ALL = "all"
"""The name of the list that holds each image of a data set once."""


class Listing(NamedTuple):
    """The shots of a list, and the distractors among them (None unless it is a gallery)."""

    shots: Sequence[Shot]
    strangers: Sequence[Shot] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A list in numbers.

    Attributes:
        total: Images, persons, cameras and junk.
        distractors: Images of persons that no query shows; None unless the list is a gallery.
        images_of_person: How many images each person has, without junk and distractors (Market-1501's distractors are
            many persons with one number).
        images_of_camera: How many images each camera took, junk and distractors included; cameras are counted from 0.
        cameras_of_person: By how many cameras each person was seen, without junk and distractors.
        files: The image files.
    """

    total: Count
    distractors: int | None
    images_of_person: Mapping[int, int]
    images_of_camera: Mapping[int, int]
    cameras_of_person: Mapping[int, int]
    files: Files


def lists_of(split: Split, validation: Split | None) -> dict[str, Listing]:
    """The lists by their names, and ``all`` with each image once."""
    lists = {"train": Listing(split.train)}
    tests = list(split.named_tests)
    if validation:
        tests.insert(0, ("validation ", validation))
    for prefix, test in tests:
        lists[f"{prefix}query"] = Listing(test.query)
        lists[f"{prefix}gallery"] = Listing(test.gallery, distractors(test.query, test.gallery))
    shots = dict.fromkeys(shot for listing in lists.values() for shot in listing.shots)
    strangers = dict.fromkeys(shot for listing in lists.values() for shot in listing.strangers or ())
    return lists | {ALL: Listing(tuple(shots), tuple(strangers))}


def distractors(query: Sequence[Shot], gallery: Sequence[Shot]) -> tuple[Shot, ...]:
    """The gallery images, without junk, of persons that no query shows."""
    queried = {shot.person_id for shot in query} | {JUNK}
    return tuple(shot for shot in gallery if shot.person_id not in queried)


def statistics_of(listing: Listing, *, headers: int) -> Statistics:
    """Count a list's images, persons and cameras, and look at its files.

    Args:
        listing: The list.
        headers: The highest number of files to open.
    """
    shots, strangers = listing
    left_out = {shot.person_id for shot in strangers or ()} | {JUNK}
    persons = [shot for shot in shots if shot.person_id not in left_out]
    cameras: dict[int, set[int]] = defaultdict(set)
    for shot in persons:
        cameras[shot.person_id].add(shot.camera_id)
    return Statistics(
        total=count(shots),
        distractors=None if strangers is None else len(strangers),
        images_of_person=dict(sorted(Counter(shot.person_id for shot in persons).items())),
        images_of_camera=dict(sorted(Counter(shot.camera_id for shot in shots).items())),
        cameras_of_person={person: len(views) for person, views in sorted(cameras.items())},
        files=files_of([shot.path for shot in shots], most=headers),
    )


def sides(lists: Mapping[str, Listing]) -> dict[str, list[Shot]]:
    """The shots of training, validation and testing, without distractors."""
    shots: dict[str, list[Shot]] = {}
    for name, listing in lists.items():
        if name == ALL:
            continue
        side = name if name == "train" else "validation" if name.startswith("validation ") else "test"
        left_out = {shot.person_id for shot in listing.strangers or ()}
        shots.setdefault(side, []).extend(shot for shot in listing.shots if shot.person_id not in left_out)
    return shots


def to_json(statistics: Statistics) -> dict[str, Any]:
    """The statistics of a list in JSON's types, without single persons and files."""
    total, files = statistics.total, statistics.files
    return {
        "images": total.images,
        "persons": total.persons,
        "cameras": total.cameras,
        "junk": total.junk,
        "distractors": statistics.distractors,
        "images_per_person": _plain(spread(statistics.images_of_person.values())),
        "cameras_per_person": _plain(spread(statistics.cameras_of_person.values())),
        "images_of_camera": {f"c{camera + 1}": images for camera, images in statistics.images_of_camera.items()},
        "megabytes": round(files.megabytes, 3),
        "files_looked_at": files.looked_at,
        "unreadable": files.unreadable,
        "formats": dict(files.formats),
        "height": _plain(files.height),
        "width": _plain(files.width),
    }


def _plain(values: Spread | None) -> dict[str, float] | None:
    return None if values is None else asdict(values)
