"""What goes into a pack: the files of a data set in the order of its lists, then all others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.decode import decode
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.problems import Problem
from reid_lit.errors import FailedError, InputError
from reid_lit.files.access import files_below, is_dir, is_file, read_bytes, state
from reid_lit.files.box import unboxed
from reid_lit.files.index import Encoding, is_safe
from reid_lit.records import Split, absolute_path


class Item(NamedTuple):
    """A file for a pack: its name there, where it is (or its content), its bytes and its last change in ns."""

    name: str
    source: Path | bytes
    state: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a pack is to hold.

    Attributes:
        items: Training images, then those of the tests, each list in its order; then the other files by name.
        split: The data set's lists.
        problems: What is wrong with the copy; the pack will have it too.
    """

    items: tuple[Item, ...]
    split: Split
    problems: tuple[Problem, ...]


def contents(data: ReidData, out: Path) -> Contents:
    """List what a pack of a data set holds.

    Args:
        data: The data set; its ``parts`` are packed.
        out: The folder of the pack.

    Raises:
        FileNotFoundError: there is no such data set.
        FailedError: the data set's ``parts`` lack an image of its lists.
        ValueError: a name cannot be in a pack, or ``out`` lies in what is to be packed.
    """
    problems: list[Problem] = []
    split = data.read(problems.append)
    sources = dict(_sources(data, Path(absolute_path(out))))
    names = {absolute_path(source): name for name, source in sources.items() if isinstance(source, Path)}
    files = dict.fromkeys(unboxed(shot.path)[0] for shot in split.shots)
    lacking = (path for path in files if absolute_path(path) not in names)
    if (path := next(filter(is_file, lacking), None)) is not None:
        raise FailedError(
            f"{path} is in the lists of {split.name}, but not in what {type(data).__name__}.parts() names"
        )
    listed = (names.get(absolute_path(path)) for path in files)
    order = dict.fromkeys([*(name for name in listed if name is not None), *sorted(sources)])
    items = tuple(Item(name, sources[name], _state(sources[name])) for name in order)
    return Contents(items=items, split=split, problems=tuple(problems))


def _sources(data: ReidData, out: Path) -> Iterator[tuple[str, Path | bytes]]:
    for name, part in data.parts().items():
        if isinstance(part, bytes) or not is_dir(part):
            yield _checked(name), part
            continue
        if out.is_relative_to(absolute_path(part)):
            raise InputError(f"out={out}: it lies in {part.resolve()}, which is to be packed; give another folder")
        for file in files_below(part, litter=True):
            below = file.relative_to(part).as_posix()
            yield _checked(f"{name}/{below}" if name else below), file


def _checked(name: str) -> str:
    if not is_safe(name):
        raise InputError(f"{name!r} cannot be the name of a file in a pack; rename it")
    return name


def _state(source: Path | bytes) -> tuple[int, int]:
    return (len(source), 0) if isinstance(source, bytes) else state(source)


def content_of(item: Item, encoding: Encoding | None) -> bytes:
    """The bytes that go into the pack.

    Raises:
        ValueError: the file has changed since it was listed, or cannot be decoded.
    """
    if isinstance(item.source, bytes):
        return item.source
    try:
        is_same = state(item.source) == item.state
        data = read_bytes(item.source)
        is_same &= (len(data), state(item.source)) == (item.state[0], item.state)
    except OSError as error:
        raise InputError(f"{item.source} cannot be read ({error.strerror or error}); {AGAIN}") from error
    if not is_same:
        raise InputError(f"{item.source} has changed while it was packed; {AGAIN}")
    is_image = item.name.lower().endswith(EXTENSIONS)
    return data if encoding is None or not is_image else _encoded(item.source, encoding)


PALETTES = (".gif",)
"""Formats of 256 colours an image, to which its pixels would be rounded: by up to 69 of 255."""
AGAIN = "run the same command again when the files stay as they are: finished shards are kept"


def _encoded(path: Path, encoding: Encoding) -> bytes:
    """The image in the encoding's size, in the format of its name."""
    try:
        image = decode(path, size=encoding.size, interpolation=encoding.interpolation)
    except InputError as error:
        raise InputError(
            f"size={list(encoding.size)}: {error}. Finished shards are kept; without size= images are packed as they"
            " are, whole or not"
        ) from error
    ending = path.suffix.lower()
    settings: Sequence[int] = ()
    if ending in (".jpg", ".jpeg"):
        sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
        settings = (cv2.IMWRITE_JPEG_QUALITY, encoding.quality, *sampling)
    elif ending == ".webp":
        settings = (cv2.IMWRITE_WEBP_QUALITY, encoding.quality)
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[:, :, ::-1])  # OpenCV has blue first
    if ending == ".pgm" and (pixels == pixels[:, :, :1]).all():
        pixels = np.ascontiguousarray(pixels[:, :, :1])  # the format has no colours
    done, data = cv2.imencode(ending, pixels, settings) if ending not in PALETTES else (False, pixels)
    if not done:
        raise InputError(
            f"size={list(encoding.size)}: {path} cannot be encoded again as what it shows: {ending} does not hold all"
            " of its colours; convert it to .png, or pack without size="
        )
    return data.tobytes()
