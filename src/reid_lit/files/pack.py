"""A pack that is read: names to places, and its shards as memory maps.

A shard is mapped when something in it is first needed, by each process for itself (a forked one may use the maps of its
parent: they are read-only). Before that its size is compared with the index, and its first and last header. All bytes
are hashed when images are read for the first time (:func:`reid_lit.data.feeding.images.bad_images`) and by the doctor.

A shard that is cut short while it is mapped ends the process, as with any memory map; one that is replaced by renaming,
as the command that packs does it, stays what it was for those who have it mapped.
"""

import errno
import hashlib
import mmap
import os
import stat
import tarfile
from pathlib import Path

from reid_lit.files.index import BLOCK, Index, PackError, Shard
from reid_lit.memory import free_memory

MAPS = 256
"""Shards of a pack that a process has mapped at once: each is an open file."""

_NAME = 100  # bytes that a tar header has for a name; GNU's longer ones stand before it


class Pack:
    """The files of a pack by their names.

    Args:
        root: The folder.
        index: What it holds.

    Attributes:
        root: The folder.
        index: What it holds.
        folders: For each folder of the pack, by its name (the pack itself: an empty one), what is in it: the name of
            each entry and whether it is a folder.
    """

    def __init__(self, root: Path, index: Index) -> None:
        self.root = root
        self.index = index
        self.folders: dict[str, dict[str, bool]] = {"": {}}
        self._places: dict[str, tuple[int, int, int]] = {}
        self._maps: dict[int, tuple[mmap.mmap, int]] = {}
        for number, shard in enumerate(index.shards):
            for name, (offset, length) in zip(shard.names, shard.places, strict=True):
                self._places[name] = (number, offset, offset + length)
                self._enter(name)

    def _enter(self, name: str) -> None:
        folder, _, entry = name.rpartition("/")
        is_folder = False
        while folder not in self.folders:
            self.folders[folder] = {entry: is_folder}
            folder, _, entry = folder.rpartition("/")
            is_folder = True
        self.folders[folder][entry] = is_folder

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._places

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is none of this name.
            PackError: its shard is missing or another one.
        """
        number, start, end = self._place(name)
        return self._map(number)[0][start:end]

    def state(self, name: str) -> tuple[int, int]:
        """Bytes of a file, and the time of its shard's last change in ns; raises as :meth:`read` does."""
        number, start, end = self._place(name)
        return end - start, self._map(number)[1]

    def shard_of(self, name: str) -> int:
        """The number of the shard that holds a file; raises as :meth:`read` does."""
        return self._place(name)[0]

    def _place(self, name: str) -> tuple[int, int, int]:
        place = self._places.get(name)
        if place is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root / name))
        return place

    def check_hash(self, number: int) -> None:
        """Read a whole shard and compare its hash.

        Raises:
            PackError: it is missing or another one.
        """
        shard, block = self.index.shards[number], self._map(number)[0]
        found = hashlib.sha256(block).hexdigest()
        if found != shard.sha256:
            self._maps.pop(number, None)  # it may be mended
            raise self._wrong(shard, f"was exchanged or changed: its SHA-256 is {found}")

    def check_headers(self, number: int) -> None:
        """Compare all headers of a shard, as ``tar`` lists them, with the index.

        Raises:
            PackError: it is missing or another one, or holds something else than the index says.
        """
        shard = self.index.shards[number]
        self._map(number)
        expected = zip(shard.names, shard.places, strict=True)
        try:
            with tarfile.open(self.root / shard.file, "r:", encoding="utf-8", errors="surrogateescape") as content:
                for member in content:
                    here = (member.name, (member.offset_data, member.size))
                    if not member.isreg() or here != next(expected, None):
                        raise self._wrong(shard, f"holds {member.name!r} where the index has something else")
        except tarfile.TarError as error:
            raise self._wrong(shard, f"is no tar file ({error})") from error
        lacking = next(expected, None)
        if lacking is not None:
            raise self._wrong(shard, f"ends before {lacking[0]!r}")

    def _map(self, number: int) -> tuple[mmap.mmap, int]:
        """The memory map of a shard and the time of its last change."""
        known = self._maps.get(number)
        if known is None:
            known = self._maps.setdefault(number, self._opened(self.index.shards[number]))
            if len(self._maps) > MAPS:
                del self._maps[next(iter(self._maps))]
        return known

    def _opened(self, shard: Shard) -> tuple[mmap.mmap, int]:
        path = self.root / shard.file
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                raise self._wrong(shard, "is no regular file")
            if status.st_size != shard.size:
                kind = "is cut short" if status.st_size < shard.size else "was exchanged or changed"
                raise self._wrong(shard, f"{kind}: it has {status.st_size:,} bytes")
            with path.open("rb") as file:
                block = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._read_ahead(block)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise self._wrong(shard, "is missing" if missing else f"cannot be read ({error.strerror})") from error
        for end in {0, len(shard.names) - 1} if shard.names else ():
            self._check_header(block, shard, end)
        return block, status.st_mtime_ns

    def _read_ahead(self, block: mmap.mmap) -> None:
        """Have the system read a shard while something else is done, where the whole pack fits into free memory."""
        if hasattr(mmap, "MADV_WILLNEED") and 2 * sum(shard.size for shard in self.index.shards) < free_memory()[0]:
            block.madvise(mmap.MADV_WILLNEED)

    def _check_header(self, block: mmap.mmap, shard: Shard, place: int) -> None:
        name, (offset, length) = shard.names[place], shard.places[place]
        header = block[offset - BLOCK : offset]
        try:
            size = int(header[124:136].strip(b"\0 ") or b"0", 8)
        except ValueError:
            size = -1
        written = name.encode("utf-8", "surrogateescape")[:_NAME]
        if header[:_NAME].rstrip(b"\0") != written or size != length:
            raise self._wrong(shard, f"was exchanged or changed: it does not hold {name} at byte {offset:,}")

    def _wrong(self, shard: Shard, fact: str) -> PackError:
        return PackError(
            f"{self.root}: the shard {shard.file} {fact} (in the index: {shard.size:,} bytes, SHA-256 {shard.sha256});"
            f" copy this file anew, or run the command again that made the pack: it writes what is lacking"
        )
