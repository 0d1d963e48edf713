"""Pack a data set, and make sure that it reads the same."""

import logging
from collections.abc import Sequence
from typing import Any

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.value_range import check_range
from reid_lit.data.packing.contents import AGAIN, PALETTES, Contents, Item, contents
from reid_lit.data.packing.shards import finish, write_shards
from reid_lit.errors import FailedError, InputError
from reid_lit.files.box import unboxed
from reid_lit.files.index import INDEX, UNFINISHED, Encoding, Index
from reid_lit.progress import progress
from reid_lit.records import Shot, Split
from reid_lit.wording import counted

logger = logging.getLogger(__name__)


def pack(data: ReidData, packed: ReidData, *, encoding: Encoding | None, shard_mb: Any) -> Index:
    """Write the files of a data set into a few large ones; what an earlier call finished is kept.

    Args:
        data: The data set.
        packed: The same one, pointed at the folder of the pack.
        encoding: How images are re-encoded; None: they are copied.
        shard_mb: The largest size of a shard in 10⁶ bytes, a number above 0.

    Raises:
        FileNotFoundError: there is no such data set.
        ExistingFileError: the folder holds something else, or a finished pack of files that have changed since.
        WriteError: the disk is full, or the folder cannot be written.
        ValueError: ``shard_mb`` is too small, a file changed meanwhile or cannot be decoded.
    """
    if not isinstance(shard_mb, int | float) or shard_mb <= 0:
        raise InputError(f"shard_mb={shard_mb}: give a number of megabytes above 0")
    data.prepare_data()
    found = contents(data, packed.root)
    if encoding is not None and any(unboxed(shot.path)[1] for shot in found.split.shots):
        raise InputError(
            f"size={list(encoding.size)}: the list has boxes of images of their own size; pack them without size="
        )
    if encoding is not None:
        _check_values(found, data, encoding)
    for problem in found.problems:
        logger.warning("the copy has a problem, and the pack will have it too: %s: %s", problem.kind, problem)
    finished = (packed.root / INDEX).is_file()
    with progress(f"packing {found.split.name}") as tell:
        index = write_shards(found.items, packed.root, encoding=encoding, shard_bytes=int(shard_mb * 1e6), tell=tell)
    _check_unchanged(found, contents(data, packed.root))
    finish(packed.root, index)
    if not finished:
        _check_equal(found.split, packed)
    return index


def _check_values(found: Contents, data: ReidData, encoding: Encoding) -> None:
    """Raise InputError for images whose values would not be kept: of 16 bit, or of a format with few colours."""
    if data.value_range is not None:
        raise InputError(
            f"size={list(encoding.size)}: images of another size are stored with 8 bit, which value_range="
            f"{list(data.value_range)} is none of; pack them without size="
        )
    check_range([shot.path for shot in found.split.shots], None)
    rounded = [item.name for item in found.items if item.name.lower().endswith(PALETTES)]
    if rounded:
        raise InputError(
            f"size={list(encoding.size)}: {counted(len(rounded), 'image')} such as {rounded[0]} would be rounded to 256"
            " colours; convert them to .png, or pack them without size="
        )


def _check_unchanged(before: Contents, after: Contents) -> None:
    """Raise InputError if the files are not those that were listed at the beginning."""
    changed = sorted(item.name for item in set(_states(before.items)) ^ set(_states(after.items)))
    if changed:
        raise InputError(
            f"{counted(len(set(changed)), 'file has', 'files have')} changed while the data set was packed, such as"
            f" {changed[0]}; {AGAIN}"
        )


def _states(items: Sequence[Item]) -> list[Item]:
    return [item._replace(source=b"") for item in items]


def _check_equal(split: Split, packed: ReidData) -> None:
    """Raise FailedError unless the pack reads as the folder: the same names, persons, cameras, lists and order."""
    again = packed.read(lambda _: None)
    for (name, shots), (_, others) in zip(_lists(split), _lists(again), strict=True):
        if [_plain(shot) for shot in shots] != [_plain(shot) for shot in others]:
            (packed.root / INDEX).replace(packed.root / UNFINISHED)
            raise FailedError(
                f"{packed.root}: the list {name} reads otherwise than what was packed. A CSV file that mixes absolute"
                f" and relative paths is sorted otherwise: give it one kind of paths. Else it is a bug"
            )


def _lists(split: Split) -> list[tuple[str, tuple[Shot, ...]]]:
    held = split.validation
    aside = [("validation query", held.query), ("validation gallery", held.gallery)] if held else []
    return [*split.lists.items(), *aside]


def _plain(shot: Shot) -> tuple[str, int, int]:
    return shot.path.name, shot.person_id, shot.camera_id
