"""Write one shard of a pack: a tar file, whole or not at all."""

import hashlib
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from reid_lit.data.packing.contents import Item, content_of
from reid_lit.errors import InputError, WriteError
from reid_lit.files.index import END, Encoding, Shard, padded, shard_name
from reid_lit.paths import beside, remove_leftovers


def no_room(folder: Path, error: OSError) -> WriteError:
    """The error for a pack that cannot be written."""
    return WriteError(
        f"out={folder}: it cannot be written ({error.strerror or error}); make room and run the same command again:"
        f" finished shards are kept"
    )


def write_shard(folder: Path, number: int, items: Sequence[Item], encoding: Encoding | None, shard_bytes: int) -> Shard:
    """Write as many items as fit into a shard.

    Args:
        folder: The folder of the pack.
        number: Of the shard, from 0.
        items: What is to be packed next.
        encoding: How images are re-encoded; None: they are copied.
        shard_bytes: The largest size of a shard.

    Raises:
        WriteError: the disk is full, or the folder cannot be written.
        ValueError: a file has changed meanwhile, cannot be decoded, or is larger than a shard.
    """
    name = shard_name(number)
    remove_leftovers(folder / name)
    part = beside(folder / name)
    try:
        try:
            with part.open("w+b") as file:
                names, places, sources = _fill(file, items, encoding, shard_bytes)
                file.seek(0)
                sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            part.replace(folder / name)
        except OSError as error:
            raise no_room(folder, error) from error
    finally:
        part.unlink(missing_ok=True)
    return Shard(file=name, size=size, sha256=sha256, names=names, places=places, sources=sources)


Rows = tuple[tuple[str, ...], tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]


def _fill(file: BinaryIO, items: Sequence[Item], encoding: Encoding | None, shard_bytes: int) -> Rows:
    """Write items until the next one does not fit; the names, places and sources of those written."""
    rows: list[tuple[str, tuple[int, int], tuple[int, int]]] = []
    end = 0
    for item in items:
        data = content_of(item, encoding)
        header = _header(item, len(data))
        start = end + len(header)
        if start + padded(len(data)) + END > shard_bytes:
            if rows:
                break
            raise InputError(
                f"shard_mb={shard_bytes / 1e6:g}: {item.name} alone has {len(data) / 1e6:,.1f} MB; raise it"
            )
        end = start + padded(len(data))
        file.write(header + data + bytes(end - start - len(data)))
        rows.append((item.name, (start, len(data)), item.state))
    file.write(bytes(END))
    names, places, sources = (tuple(column) for column in zip(*rows, strict=True))
    return names, places, sources


def _header(item: Item, size: int) -> bytes:
    info = tarfile.TarInfo(item.name)
    info.size, info.mtime, info.mode = size, item.state[1] // 10**9, 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def is_whole(file: Path, shard: Shard) -> bool:
    """Whether a file is the shard, by its size and hash."""
    if not file.is_file() or file.stat().st_size != shard.size:
        return False
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == shard.sha256
