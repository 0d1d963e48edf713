"""The statistics of a data set as tables to print."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.table import Table

from reid_lit.data.file_headers import Files
from reid_lit.data.spread import Spread, spread
from reid_lit.data.statistics import ALL, Statistics
from reid_lit.kinds import said

COLUMNS = 4
"""Lists in a table of cameras; more lists go into another table."""

CAMERAS = 40
"""Cameras that are printed; ``describe.json`` has all."""

SPREAD = "min | median | mean | max"

Lists = Mapping[str, Statistics]
"""The statistics of each list by its name."""


def tables(title: str, lists: Lists) -> Iterator[Table]:
    """Tables of the counts, of the numbers per person, of the files, and of the images of each camera."""
    yield _table(
        title,
        ("list", "persons", "images", "cameras", "junk", "distractors"),
        ((name, *_counts(numbers)) for name, numbers in lists.items()),
    )
    yield _table(
        f"per person: {SPREAD}",
        ("list", "images", "cameras"),
        ((name, *_per_person(numbers)) for name, numbers in lists.items()),
    )
    yield _table(
        "files: min | median | max of the pixels",
        ("list", "height", "width", "format", "MB"),
        ((name, *_files(numbers.files)) for name, numbers in lists.items()),
    )
    yield from _camera_tables(lists)


def footnotes(lists: Lists) -> Iterator[str]:
    """Notes about what the tables leave out."""
    whole = lists[ALL]
    if whole.total.junk or whole.distractors:
        yield said("per person: junk and distractors are left out")
    if any(numbers.files.looked_at < numbers.total.images for numbers in lists.values()):
        most = max(numbers.files.looked_at for numbers in lists.values())
        yield f"sizes and formats: of lists with more than {most} images, an even choice was looked at"


def _camera_tables(lists: Lists) -> Iterator[Table]:
    names = list(lists)
    cameras = sorted({camera for numbers in lists.values() for camera in numbers.images_of_camera})
    title = "images of each camera"
    if len(cameras) > CAMERAS:
        title = f"{title} (the first {CAMERAS} of {len(cameras)})"
    for start in range(0, len(names), COLUMNS):
        columns = names[start : start + COLUMNS]
        yield _table(title, ("camera", *columns), _camera_rows(cameras[:CAMERAS], [lists[name] for name in columns]))


def _camera_rows(cameras: Iterable[int], lists: Sequence[Statistics]) -> Iterator[tuple[str, ...]]:
    for camera in cameras:
        yield f"c{camera + 1}", *(str(numbers.images_of_camera.get(camera, 0)) for numbers in lists)


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*map(said, header), title=said(title))
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def _counts(numbers: Statistics) -> tuple[str, ...]:
    total = numbers.total
    distractors = "–" if numbers.distractors is None else str(numbers.distractors)
    return str(total.persons), str(total.images), str(total.cameras), str(total.junk), distractors


def _per_person(numbers: Statistics) -> tuple[str, str]:
    images, cameras = spread(numbers.images_of_person.values()), spread(numbers.cameras_of_person.values())
    return str(images or "–"), str(cameras or "–")


def _files(files: Files) -> tuple[str, ...]:
    return _range(files.height), _range(files.width), ", ".join(_formats(files)), f"{files.megabytes:.1f}"


def _formats(files: Files) -> Iterator[str]:
    """The formats, each with its share unless it is the only one, and the number of unreadable files."""
    readable = sum(files.formats.values())
    for name, number in files.formats.items():
        yield name if number == readable else f"{name} {number / readable:.0%}"
    if files.unreadable:
        yield f"{files.unreadable} unreadable"


def _range(pixels: Spread | None) -> str:
    return "–" if pixels is None else f"{pixels.minimum:g} | {pixels.median:g} | {pixels.maximum:g}"
