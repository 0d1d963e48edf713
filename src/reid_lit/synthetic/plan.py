"""The plan of a data set's images, a pure function of world, size and seed."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_lit.errors import InputError
from reid_lit.synthetic.worlds import world

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
FOLDERS = (TRAIN, QUERY, GALLERY)

_DISTRACTORS, _JUNK = 100_000, 200_000
"""The first identities of distractors and of people in junk."""


@dataclass(frozen=True, slots=True)
class SetSize:
    """The numbers of cameras, persons and images of a data set.

    Attributes:
        cameras: The highest number of the world's cameras that are used.
        train_persons: Persons of the training set.
        train_images: Images of the training set.
        test_persons: Persons of query and gallery.
        queries: Queries, one for each test person and camera that saw this person.
        matches: Images of test persons in the gallery.
        distractors: Images of other people in the gallery (``0000``).
        junk: Bad boxes in the gallery (``-1``).
    """

    cameras: int
    train_persons: int
    train_images: int
    test_persons: int
    queries: int
    matches: int
    distractors: int
    junk: int


SIZES = {
    "tiny": SetSize(3, 12, 84, 8, 20, 70, 12, 10),
    "small": SetSize(6, 300, 3_000, 100, 400, 1_000, 150, 150),
    "full": SetSize(8, 751, 12_936, 750, 3_368, 13_115, 2_798, 3_819),
}


class PlannedImage(NamedTuple):
    """One image to be drawn.

    Attributes:
        folder: Its folder.
        name: Its file name.
        person_id: The number in the name: 0 is a distractor, -1 junk.
        camera: The camera, counted from 0.
        identity: The drawn person; ``person_id - 1`` for people with a number.
        track: The number of the walk past a camera.
        step: The number of the image in the track.
        yaw: The direction of the person, in radians (0 faces the camera).
        position: Position in the plan.
    """

    folder: str
    name: str
    person_id: int
    camera: int
    identity: int
    track: int
    step: int
    yaw: float
    position: int


class _Track(NamedTuple):
    """A walk past a camera: the number of images, and whether one of them is a query."""

    person_id: int
    identity: int
    camera: int
    images: int
    query: bool


def size_of(name: str) -> SetSize:
    """The size of that name.

    Raises:
        ValueError: there is no such size.
    """
    if name not in SIZES:
        raise InputError(f"size={name!r}: unknown; choose one of {', '.join(SIZES)}")
    return SIZES[name]


def plan(world_name: str, size_name: str, seed: int = 0) -> list[PlannedImage]:
    """Plan every image of a data set, track by track.

    Raises:
        ValueError: world or size is unknown.
    """
    place, size = world(world_name), size_of(size_name)
    cameras = min(size.cameras, len(place.cameras))
    rng = np.random.default_rng([seed, place.number, 0])
    sightings = round(size.train_persons * size.queries / size.test_persons)
    train = _tracks(rng, 0, size.train_persons, sightings, size.train_images, cameras)
    test = _tracks(rng, size.train_persons, size.test_persons, size.queries, size.matches, cameras)
    test = [track._replace(images=track.images + 1, query=True) for track in test]
    unnumbered = _unnumbered(rng, 0, _DISTRACTORS, size.distractors, cameras)
    unnumbered += _unnumbered(rng, -1, _JUNK, size.junk, cameras)
    drawings = _draw_up(rng, TRAIN, train, 0, 0)
    return drawings + _draw_up(rng, GALLERY, test + unnumbered, len(drawings), len(train))


def counts(drawings: list[PlannedImage]) -> dict[str, int]:
    """Images in each folder."""
    return {folder: sum(drawing.folder == folder for drawing in drawings) for folder in FOLDERS}


def _tracks(
    rng: np.random.Generator, first: int, persons: int, sightings: int, images: int, cameras: int
) -> list[_Track]:
    """Tracks of people: two cameras or more for each person, one image or more for each track."""
    slots = np.repeat(np.arange(persons), cameras - 2)
    views = 2 + np.bincount(rng.permutation(slots)[: sightings - 2 * persons], minlength=persons)
    numbers = _share(rng, images, int(views.sum()))
    pairs: list[tuple[int, int]] = []
    for person in range(persons):
        chosen = np.sort(rng.permutation(cameras)[: views[person]]).tolist()
        pairs += [(person, camera) for camera in chosen]
    return [
        _Track(first + person + 1, first + person, camera, int(number), False)
        for (person, camera), number in zip(pairs, numbers, strict=True)
    ]


def _share(rng: np.random.Generator, images: int, tracks: int) -> NDArray[np.int64]:
    """Divide images among tracks, at least one for each."""
    weight = rng.gamma(2.0, size=tracks)
    return 1 + rng.multinomial(images - tracks, weight / weight.sum())


def _unnumbered(rng: np.random.Generator, person_id: int, first: int, images: int, cameras: int) -> list[_Track]:
    """Short tracks of people without a number."""
    tracks = max(images // 2, 1)
    numbers = _share(rng, images, tracks)
    views = rng.integers(cameras, size=tracks)
    return [_Track(person_id, first + k, int(views[k]), int(numbers[k]), False) for k in range(tracks)]


def _draw_up(
    rng: np.random.Generator, folder: str, tracks: list[_Track], first_image: int, first_track: int
) -> list[PlannedImage]:
    """Plan the images of tracks; frame numbers grow over all tracks, so that no name is repeated."""
    drawings: list[PlannedImage] = []
    total = sum(track.images for track in tracks)
    frames = np.cumsum(rng.integers(5, 25, total)).tolist()
    turns = rng.normal(0, 0.12, total).tolist()
    heading = _headings(rng, len(tracks)).tolist()
    sequence = rng.integers(1, 4, len(tracks)).tolist()
    for k, track in enumerate(tracks):
        query = track.images // 2 if track.query else -1
        for step in range(track.images):
            at = len(drawings)
            box, into = (0, QUERY) if step == query else (1, folder)
            person = "-1" if track.person_id < 0 else f"{track.person_id:04d}"
            name = f"{person}_c{track.camera + 1}s{sequence[k]}_{frames[at]:06d}_{box:02d}.jpg"
            yaw = heading[k] + turns[at]
            identity = track.identity
            drawings.append(
                PlannedImage(
                    into, name, track.person_id, track.camera, identity, first_track + k, step, yaw, first_image + at
                )
            )
    return drawings


def _headings(rng: np.random.Generator, tracks: int) -> NDArray[np.float64]:
    """The directions of walking people: to the camera, away from it, or past it."""
    main = rng.choice([0.0, np.pi, np.pi / 2, -np.pi / 2], size=tracks, p=[0.34, 0.34, 0.16, 0.16])
    return np.asarray(main + rng.normal(0, 0.3, tracks))
