"""Write the shards of a pack, and none twice: a killed command goes on, and a damaged pack is mended."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reid_lit.data.packing.contents import Item
from reid_lit.data.packing.one_shard import is_whole, no_room, write_shard
from reid_lit.errors import ExistingFileError, WriteError
from reid_lit.files.index import (
    BLOCK,
    INDEX,
    SHARD,
    UNFINISHED,
    Encoding,
    Index,
    Shard,
    padded,
    read_index,
)
from reid_lit.paths import write_text
from reid_lit.progress import Progress

logger = logging.getLogger(__name__)


def write_shards(
    items: Sequence[Item], folder: Path, *, encoding: Encoding | None, shard_bytes: int, tell: Progress
) -> Index:
    """Write a pack's shards, but for those that are there and whole, and the index of them as an unfinished one.

    Args:
        items: What the pack is to hold.
        folder: Where; it is made.
        encoding: How images are re-encoded; None: they are copied.
        shard_bytes: The largest size of a shard.
        tell: Called with the number of files that are packed so far and their total.

    Raises:
        ExistingFileError: the folder holds something else, or a finished pack of files that have changed.
        WriteError: the disk is full, or the folder cannot be written.
        ValueError: a file has changed meanwhile, cannot be decoded, or is larger than a shard.
    """
    _check_place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"out={folder}: it cannot be made ({error.strerror}); give another folder") from error
    with _alone(folder):
        old = _earlier(folder, encoding, shard_bytes)
        finished = (folder / INDEX).is_file()
        shards: list[Shard] = []
        done = 0
        for part in _known_parts(items, old, finished=finished):
            shard = old.shards[len(shards)]
            if not is_whole(folder / shard.file, shard):
                logger.info("%s is missing or another one: it is written again", shard.file)
                shard = write_shard(folder, len(shards), part, encoding, shard_bytes)
            shards.append(shard)
            done += len(shard.names)
            tell(done, len(items))
            if len(shard.names) < len(part):  # another release of OpenCV may encode to larger files
                break
        if not finished:
            _check_room(items[done:], folder, encoding)
        while done < len(items):
            shards.append(write_shard(folder, len(shards), items[done:], encoding, shard_bytes))
            done += len(shards[-1].names)
            index = Index(encoding=encoding, shard_bytes=shard_bytes, shards=tuple(shards))
            _record(folder, index)
            logger.info("%s: %s of %s files", shards[-1].file, f"{done:,}", f"{len(items):,}")
            tell(done, len(items))
    return Index(encoding=encoding, shard_bytes=shard_bytes, shards=tuple(shards))


def finish(folder: Path, index: Index) -> None:
    """Make a pack of the shards: write the index, and remove what an earlier attempt left."""
    file = folder / INDEX
    if not file.is_file() or read_index(file) != index:  # a finished pack may lie where nobody can write
        write_text(file, index.text())
    (folder / UNFINISHED).unlink(missing_ok=True)
    names = {shard.file for shard in index.shards}
    for file in folder.iterdir():
        if _is_part(file.name) or (SHARD.fullmatch(file.name) and file.name not in names):
            file.unlink()


def _check_place(folder: Path) -> None:
    """Raise ExistingFileError unless the folder is missing, empty, or a pack of ours, finished or not."""
    if folder.exists() and not folder.is_dir():
        raise ExistingFileError(f"out={folder}: it is a file; give a folder of its own for the pack")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [n for n in names if n not in (INDEX, UNFINISHED) and not SHARD.fullmatch(n) and not _is_part(n)]
    if not {INDEX, UNFINISHED} & set(names):
        foreign = [name for name in names if not _is_part(name)]
    if foreign:
        raise ExistingFileError(
            f"out={folder}: it holds something else than a pack, such as {foreign[0]}; give an empty or new folder"
        )


def _is_part(name: str) -> bool:
    """Whether a file is what a killed command left of one that it was writing."""
    return name.startswith((".images-", ".reid_pack."))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        ExistingFileError: another process has it.
    """
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(place)
        raise ExistingFileError(f"out={folder}: another process is writing this pack; wait for it") from error
    except OSError:  # a file system without locks
        logger.debug("%s cannot be locked", folder)
    try:
        yield
    finally:
        os.close(place)


def _earlier(folder: Path, encoding: Encoding | None, shard_bytes: int) -> Index:
    """The index of what is there already, finished or not."""
    file = next((folder / name for name in (INDEX, UNFINISHED) if (folder / name).is_file()), None)
    if file is None:
        empty = Index(encoding=encoding, shard_bytes=shard_bytes, shards=())
        _record(folder, empty)
        return empty
    index = read_index(file)
    if (index.encoding, index.shard_bytes) != (encoding, shard_bytes):
        raise ExistingFileError(
            f"out={folder}: it holds a pack with {index.images} in shards of {index.shard_bytes / 1e6:g} MB; give the"
            f" same size=, interpolation=, quality= and shard_mb=, or another folder"
        )
    return index


def _record(folder: Path, index: Index) -> None:
    try:
        write_text(folder / UNFINISHED, index.text())
    except OSError as error:
        raise no_room(folder, error) from error


def _known_parts(items: Sequence[Item], old: Index, *, finished: bool) -> Iterator[Sequence[Item]]:
    """The items of each earlier shard, as long as they are what was packed.

    Raises:
        ExistingFileError: the pack is finished, and the files are not those that were packed.
    """
    start = 0
    for shard in old.shards:
        part = items[start : start + len(shard.names)]
        packed = list(zip(shard.names, shard.sources, strict=True))
        if (changed := _first_change([(item.name, item.state) for item in part], packed)) is not None:
            if finished:
                raise _changed(changed)
            logger.info("%s has changed: %s and the shards after it are written again", changed, shard.file)
            return
        yield part
        start += len(part)
    if finished and start < len(items):
        raise _changed(items[start].name)


def _first_change(now: Sequence[tuple[str, object]], packed: Sequence[tuple[str, object]]) -> str | None:
    for here, there in zip(now, packed, strict=False):
        if here != there:
            return there[0]
    return packed[len(now)][0] if len(now) < len(packed) else None


def _changed(name: str) -> ExistingFileError:
    return ExistingFileError(
        f"the pack is finished, but its source has changed since: {name} is another file now, was added or removed; the"
        f" pack stays as it is: give out= another folder to pack what is there now"
    )


def _check_room(items: Sequence[Item], folder: Path, encoding: Encoding | None) -> None:
    """Raise WriteError unless there is room for files that are copied; what is re-encoded has no size yet."""
    needed = sum(BLOCK + padded(item.state[0]) for item in items) if encoding is None else 0
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WriteError(
            f"out={folder}: the pack needs {needed / 1e6:,.0f} MB more, and {free / 1e6:,.0f} MB are free there; make"
            f" room or give another folder"
        )
