"""The index of a pack: which file is where in which shard. JSON from anywhere, checked before anything is read."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError

INDEX = "reid_pack.json"
"""The file by which a folder is known as a pack; it is written last."""

UNFINISHED = "reid_pack.unfinished.json"
"""The index of the shards so far, while a pack is being written."""

SHARD = re.compile(r"images-\d{5}\.tar", re.ASCII)
"""How the shards are called."""

BLOCK = 512
"""Bytes of a tar header; contents start at multiples of it."""

END = 2 * BLOCK
"""Bytes of zeros that end a tar file."""

FORMAT, VERSION = "reid_lit pack", 1
INTERPOLATIONS = ("bicubic", "bilinear")
_SAFE = re.compile(r"(?!\.{1,2}(?:/|$))[^/\0]+(?:/(?!\.{1,2}(?:/|$))[^/\0]+)*", re.DOTALL)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ANEW = "copy the pack anew from where it is whole, or make it again by python -m reid_lit.pack"


class PackError(InputError):
    """A pack that cannot be used: its index is none, or a shard is not the one that the index describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How images were made smaller; a format goes by the ending of an image's name.

    Attributes:
        size: Height and width in pixels.
        interpolation: ``bicubic`` or ``bilinear``, with antialiasing.
        quality: Of JPEG (4:4:4) and WebP, from 1 to 100; PNG and BMP lose nothing.

    Raises:
        ValueError: a value is out of range or unknown.
    """

    size: tuple[int, int]
    interpolation: str
    quality: int

    def __post_init__(self) -> None:
        if len(self.size) != 2 or not all(type(side) is int and 1 <= side <= 8192 for side in self.size):
            raise InputError(f"size={list(self.size)}: give [height,width] in pixels, each from 1 to 8192")
        if self.interpolation not in INTERPOLATIONS:
            raise InputError(f"interpolation={self.interpolation!r}: unknown; use {' or '.join(INTERPOLATIONS)}")
        if type(self.quality) is not int or not 1 <= self.quality <= 100:
            raise InputError(f"quality={self.quality}: give a whole number from 1 to 100")

    def __str__(self) -> str:
        height, width = self.size
        return f"re-encoded to {height} × {width} pixels ({self.interpolation}, quality {self.quality})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A tar file of a pack.

    Attributes:
        file: Its name.
        size: Its bytes.
        sha256: Of all of them.
        names: The paths of its files below the data set's folder, with ``/`` between folders.
        places: Where each file starts in it, and its length, in bytes.
        sources: Bytes and time of the last change (ns) of the files that were packed.
    """

    file: str
    size: int
    sha256: str
    names: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    sources: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What a pack holds.

    Attributes:
        encoding: How its images were re-encoded; None: they are byte for byte what was packed.
        shard_bytes: The largest size of a shard.
        shards: In the order of the data set's lists.
    """

    encoding: Encoding | None
    shard_bytes: int
    shards: tuple[Shard, ...]

    @property
    def images(self) -> str:
        """How the images are stored, in words."""
        return "images as they were" if self.encoding is None else f"images {self.encoding}"

    def text(self) -> str:
        """The content of the file; a row is a file of the pack: name, offset, length, bytes and time of its source."""
        shards = [
            {
                "file": shard.file,
                "bytes": shard.size,
                "sha256": shard.sha256,
                "files": [
                    [name, *place, *source]
                    for name, place, source in zip(shard.names, shard.places, shard.sources, strict=True)
                ],
            }
            for shard in self.shards
        ]
        known = {"format": FORMAT, "version": VERSION, "shard_bytes": self.shard_bytes}
        images = "as stored" if self.encoding is None else asdict(self.encoding) | {"format": "by the ending of a name"}
        return json.dumps(known | {"images": images, "shards": shards}, separators=(",", ":")) + "\n"


def read_index(file: Path) -> Index:
    """Read and check an index.

    Raises:
        PackError: it is no index of ours, or anything in it is not as it must be.
    """
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise PackError(f"{file}: no JSON ({error}); {_ANEW}") from error
    try:
        return _index(content)
    except (_WrongError, InputError) as error:
        raise PackError(f"{file}: {error}; {_ANEW}") from error


class _WrongError(Exception):
    """A part of an index is not as it must be."""


def _expect(holds: bool, fact: str) -> None:
    if not holds:
        raise _WrongError(fact)


def _index(content: Any) -> Index:
    _expect(isinstance(content, dict) and content.get("format") == FORMAT, "not the index of a pack")
    version = content.get("version")
    _expect(version == VERSION, f"format version {version!r}, and this release reads {VERSION}")
    shard_bytes, listed = content.get("shard_bytes"), content.get("shards")
    _expect(_is_count(shard_bytes) and isinstance(listed, list), "no shard_bytes or no list of shards")
    shards = tuple(_shard(number, entry) for number, entry in enumerate(listed))
    _check_names([name for shard in shards for name in shard.names])
    return Index(encoding=_encoding(content.get("images")), shard_bytes=shard_bytes, shards=shards)


def _encoding(images: Any) -> Encoding | None:
    if images == "as stored":
        return None
    _expect(isinstance(images, dict) and isinstance(images.get("size"), list), f"images={images!r} is unknown")
    values = {key: images.get(key) for key in ("interpolation", "quality")}
    return Encoding(size=tuple(images["size"]), **values)


def _shard(number: int, entry: Any) -> Shard:
    _expect(isinstance(entry, dict) and isinstance(entry.get("files"), list), f"shard {number} has no list of files")
    file, size, sha256 = (entry.get(key) for key in ("file", "bytes", "sha256"))
    _expect(isinstance(file, str) and file == shard_name(number), f"shard {number} is called {file!r}")
    _expect(_is_count(size) and size >= END, f"{file}: bytes={size!r}")
    _expect(isinstance(sha256, str) and _HASH.fullmatch(sha256) is not None, f"{file}: sha256={sha256!r}")
    rows = list(_rows(file, size, entry["files"]))
    names, places, sources = (tuple(column) for column in zip(*rows, strict=True)) if rows else ((), (), ())
    return Shard(file=file, size=size, sha256=sha256, names=names, places=places, sources=sources)


def _rows(file: str, size: int, rows: list[Any]) -> Iterator[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Name, place and source of each file; the files follow each other and end before the shard does."""
    end, last = 0, size - END
    for row in rows:
        if not (type(row) is list and len(row) == 5 and all(map(_is_count, row[1:]))):
            raise _WrongError(f"{file}: a row is {row!r}")
        name, offset, length, source, changed = row
        if not is_safe(name):
            raise _WrongError(f"{file}: the name {name!r} is no path below a folder")
        start, end = end + BLOCK, padded(offset + length)
        if offset % BLOCK or offset < start or end > last:
            raise _WrongError(f"{file}: {name} is at {offset} + {length} of {size} bytes, which cannot be")
        yield name, (offset, length), (source, changed)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _check_names(names: list[str]) -> None:
    different = set(names)
    _expect(len(different) == len(names), "a name is there twice")
    parents = {name.rpartition("/")[0] for name in names}
    while parents - {""}:
        _expect(not parents & different, f"{sorted(parents & different)[:1]} is a file and a folder")
        parents = {parent.rpartition("/")[0] for parent in parents}


def is_safe(name: Any) -> bool:
    """Whether a name is a path that stays below its folder and hides no file of the pack itself."""
    if not isinstance(name, str) or len(name) > 4096 or _SAFE.fullmatch(name) is None:
        return False
    return "/" in name or not (name in (INDEX, UNFINISHED) or SHARD.fullmatch(name))


def shard_name(number: int) -> str:
    """The file name of a shard, counted from 0."""
    return f"images-{number:05d}.tar"


def padded(size: int) -> int:
    """Bytes that contents take in a tar file."""
    return -(-size // BLOCK) * BLOCK
