"""Images of the same content, wherever they are: by their sizes, then by their digests."""

import contextlib
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
    return Contents(other).copies(one)


class Contents:
    """What is in some images, for lists whose copies of them are looked for one after the other.

    Each image is read once at most, however many lists there are.

    Args:
        names: Names of images.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = _by_size(names)
        self._digests: dict[int, frozenset[bytes]] = {}

    def copies(self, one: Iterable[str]) -> list[str]:
        """The images of ``one`` with the content of one of these; see :func:`copies`."""
        ours = _by_size(one) if self._names else {}
        sizes = ours.keys() & self._names.keys()
        return sorted(name for size in sizes for name in ours[size] if digest(Path(name)) in self._of(size))

    def _of(self, size: int) -> frozenset[bytes]:
        if size not in self._digests:
            self._digests[size] = frozenset(digest(Path(name)) for name in self._names[size])
        return self._digests[size]


def _by_size(names: Iterable[str]) -> dict[int, list[str]]:
    """The images by the bytes of their files; one that is not there any more is left out."""
    found: dict[int, list[str]] = defaultdict(list)
    for name in names:
        with contextlib.suppress(OSError):
            found[state(Path(name))[0]].append(name)
    return found
