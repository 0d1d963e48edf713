"""How many images, persons and cameras a list has, how they are spread, and how large the images are."""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from PIL import Image

from reid_lit.data.counts import Count, count
from reid_lit.records import JUNK, Shot, Split


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, middle, mean and greatest of some numbers."""

    minimum: float
    median: float
    mean: float
    maximum: float

    def __str__(self) -> str:
        return f"{self.minimum:g} | {self.median:g} | {self.mean:.1f} | {self.maximum:g}"


class Header(NamedTuple):
    """What the first bytes of an image file say; the size is as the file has it, before any rotation it asks for."""

    height: int
    width: int
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What the files of a list are.

    Attributes:
        megabytes: Size of all files, in 10⁶ bytes.
        looked_at: How many files were opened.
        unreadable: How many of those are no image, by their headers.
        formats: How many of them have each format.
        height: Spread of their heights in pixels; None when none was readable.
        width: Spread of their widths.
        sizes: The (height, width) of each.
    """

    megabytes: float
    looked_at: int
    unreadable: int
    formats: Mapping[str, int]
    height: Spread | None
    width: Spread | None
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A list in numbers.

    Attributes:
        total: Images, persons, cameras and junk.
        distractors: Images of persons that no query shows; None for a list that is no gallery.
        images_of_person: How many images each person has, junk and distractors aside: Market-1501's distractors share a
            number without being one person.
        images_of_camera: How many images each camera took, junk and distractors included; cameras are counted from 0.
        cameras_of_person: By how many cameras each person was seen, junk and distractors aside.
    """

    total: Count
    distractors: int | None
    images_of_person: Mapping[int, int]
    images_of_camera: Mapping[int, int]
    cameras_of_person: Mapping[int, int]


def spread(values: Iterable[int]) -> Spread | None:
    """The spread of some numbers; None of none.

    >>> print(spread([1, 2, 2, 7]))
    1 | 2 | 3.0 | 7
    """
    numbers = [float(value) for value in values]
    return Spread(min(numbers), median(numbers), fmean(numbers), max(numbers)) if numbers else None


def statistics_of(shots: Sequence[Shot], strangers: Sequence[Shot] | None = None) -> Statistics:
    """A list in numbers.

    Args:
        shots: The list.
        strangers: The distractors in it; None for a list that is no gallery.
    """
    aside = {shot.person_id for shot in strangers or ()} | {JUNK}
    known = [shot for shot in shots if shot.person_id not in aside]
    cameras: dict[int, set[int]] = defaultdict(set)
    for shot in known:
        cameras[shot.person_id].add(shot.camera_id)
    return Statistics(
        total=count(shots),
        distractors=None if strangers is None else len(strangers),
        images_of_person=dict(sorted(Counter(shot.person_id for shot in known).items())),
        images_of_camera=dict(sorted(Counter(s.camera_id for s in shots).items())),
        cameras_of_person={person: len(seen) for person, seen in sorted(cameras.items())},
    )


def distractors(query: Sequence[Shot], gallery: Sequence[Shot]) -> tuple[Shot, ...]:
    """The gallery images, junk aside, of persons that no query shows."""
    asked = {shot.person_id for shot in query} | {JUNK}
    return tuple(shot for shot in gallery if shot.person_id not in asked)


class Listing(NamedTuple):
    """The shots of a list, and the distractors among them; None for a list that is no gallery."""

    shots: Sequence[Shot]
    strangers: Sequence[Shot] | None = None


def lists_of(split: Split, validation: Split | None) -> dict[str, Listing]:
    """Every list by its name, and ``all`` with each image once."""
    lists = {"train": Listing(split.train)}
    parts = [("validation ", validation)] if validation else []
    for prefix, each in (*parts, *split.named_tests):
        lists[f"{prefix}query"] = Listing(each.query)
        lists[f"{prefix}gallery"] = Listing(each.gallery, distractors(each.query, each.gallery))
    whole, strangers = (
        tuple(dict.fromkeys(shot for listing in lists.values() for shot in listing[place] or ())) for place in (0, 1)
    )
    return lists | {"all": Listing(whole, strangers)}


def files_of(paths: Sequence[Path], *, most: int) -> Files:
    """What the files are; of many, only ``most``, evenly spread over the list, are opened.

    Args:
        paths: The files.
        most: The number of files that are opened.
    """
    some = [paths[place * len(paths) // most] for place in range(most)] if len(paths) > most else list(paths)
    headers = [header for path in some if (header := header_of(path)) is not None]
    return Files(
        megabytes=sum(path.stat().st_size for path in paths if path.exists()) / 1e6,
        looked_at=len(some),
        unreadable=len(some) - len(headers),
        formats=dict(Counter(header.format for header in headers).most_common()),
        height=spread(header.height for header in headers),
        width=spread(header.width for header in headers),
        sizes=tuple((header.height, header.width) for header in headers),
    )


@functools.lru_cache(maxsize=100_000)  # an image is in its own list and in that of all
def header_of(path: Path) -> Header | None:
    """Size and format of an image, without reading its pixels; None when it is none."""
    try:
        with Image.open(path) as image:
            return Header(image.height, image.width, image.format or "unknown")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def to_json(statistics: Statistics, files: Files) -> dict[str, Any]:
    """The numbers of a list in JSON's types, without those of single persons and files."""
    return {
        "images": statistics.total.images,
        "persons": statistics.total.persons,
        "cameras": statistics.total.cameras,
        "junk": statistics.total.junk,
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
