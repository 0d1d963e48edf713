"""Images of the same content, wherever they are: by their sizes, then by their digests."""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from reid_lit.files.access import read_bytes, state
from reid_lit.files.box import unboxed


def digest(path: Path) -> bytes:
    """The digest of an image's content, and of its box where it is one of a file.

    Raises:
        OSError: the file is not there, or cannot be read.
    """
    file, box = unboxed(path)
    return _digest(str(file), *state(file)) + str(box).encode()


@functools.lru_cache(
    maxsize=2**17
)  # a training is compared with its tests, with its source and with what it starts from
def _digest(name: str, size: int, changed: int) -> bytes:  # noqa: ARG001 - a file that has changed is read again
    return hashlib.blake2b(read_bytes(Path(name)), digest_size=16).digest()


def copies(one: Iterable[str], other: Iterable[str]) -> list[str]:
    """The images of ``one`` whose content an image of ``other`` has too; sorted.

    Only files of the same size are read. One that is not there any more is no copy of anything.

    Args:
        one: Names of images; those that are given back.
        other: Likewise.
    """
    by_size: dict[int, list[str]] = defaultdict(list)
    for name in other:
        if (size := _size(name)) is not None:
            by_size[size].append(name)
    doubtful = [name for name in one if _size(name) in by_size]
    digests = {digest(Path(name)) for size in {_size(name) for name in doubtful} for name in by_size[size or 0]}
    return sorted(name for name in doubtful if digest(Path(name)) in digests)


def _size(name: str) -> int | None:
    try:
        return state(Path(name))[0]
    except OSError:
        return None
