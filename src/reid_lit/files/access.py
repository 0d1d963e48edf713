"""The one way to the files of data sets: a path names a file on the disk, or one in a pack.

The path of a file in a pack is that of the pack's folder with the file's name behind it, as if the pack were unpacked
there. So paths stay plain: they are compared, hashed, stored and sent to workers as any other. A folder is a pack if it
holds the file :data:`~reid_lit.files.index.INDEX`. A path may name a box of an image (:mod:`.box`): then it stands here
for the whole file.
"""

import errno
import io
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from reid_lit.files.box import unboxed
from reid_lit.files.index import INDEX, UNFINISHED, PackError, read_index
from reid_lit.files.pack import Pack
from reid_lit.records import absolute_path

_log = logging.getLogger(__name__)

_packs: dict[str, tuple[tuple[int, ...], Pack]] = {}  # by folder: the state of its index, and the pack
_folders: dict[str, tuple[Pack, str]] = {}  # by folder of files: its pack, and the beginning of their names in it


def pack_of(path: Path) -> tuple[Pack, str] | None:
    """The pack that a path leads into, and the name in it; None for any other path. A pack itself has an empty name.

    Raises:
        PackError: its index cannot be used, or it is unfinished.
    """
    whole = Path(absolute_path(path))
    for folder in (whole, *whole.parents):
        if folder.is_dir():
            pack = _pack_at(folder)
            return None if pack is None else (pack, "" if folder == whole else whole.relative_to(folder).as_posix())
        if folder.exists():  # a file, which holds nothing
            return None
    return None


def _pack_at(folder: Path) -> Pack | None:
    """The pack in a folder; it is read again when its index was replaced."""
    file, name = folder / INDEX, str(folder)
    try:
        status = file.stat()
    except OSError:
        if (folder / UNFINISHED).is_file():
            raise PackError(
                f"{folder} is an unfinished pack; run the command again that writes it: it goes on where it ended"
            ) from None
        _forget(name)
        return None
    state = (status.st_ino, status.st_size, status.st_mtime_ns)
    known = _packs.get(name)
    if known is None or known[0] != state:
        _forget(name)
        known = _packs[name] = state, Pack(folder, read_index(file))
    return known[1]


def _forget(folder: str) -> None:
    """Drop what is known of a pack that was replaced or removed."""
    old = _packs.pop(folder, None)
    if old is not None:
        for name in [name for name, (pack, _) in _folders.items() if pack is old[1]]:
            del _folders[name]


def _located(path: Path) -> tuple[Pack, str] | None:
    """As :func:`pack_of` for a file, where another file of its folder was found in a pack before; None elsewhere."""
    name = os.fspath(path)
    folder, _, file = (name if name.startswith("/") else absolute_path(name)).rpartition("/")
    known = _folders.get(folder)
    return None if known is None else (known[0], known[1] + file)


def _found(path: Path) -> tuple[Pack, str] | None:
    """As :func:`pack_of` for a file that is none on the disk; its folder is remembered."""
    found = pack_of(path)
    if found is not None and found[1]:
        folder, _, file = absolute_path(path).rpartition("/")
        _folders[folder] = found[0], found[1].removesuffix(file)
    return found


def close_packs() -> None:
    """Forget all packs, and close their memory maps; what is read next opens them anew."""
    _packs.clear()
    _folders.clear()


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: it is not there, or cannot be read.
        PackError: it is in a pack that cannot be used.
    """
    path, _ = unboxed(path)
    found = _located(path)
    if found is None:
        try:
            with path.open("rb", buffering=0) as file:
                return file.readall()
        except (FileNotFoundError, NotADirectoryError):
            found = _found(path)
            if found is None:
                raise
    return found[0].read(found[1])


def opened(path: Path) -> BinaryIO:
    """An open file, of which only a part may be needed; raises as :func:`read_bytes` does."""
    path, _ = unboxed(path)
    if _located(path) is None:
        try:
            return path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            if _found(path) is None:
                raise
    return io.BytesIO(read_bytes(path))


def state(path: Path) -> tuple[int, int]:
    """Bytes of a file and the time of its last change in ns: for a file in a pack, that of its shard.

    Raises:
        OSError: it is not there, or no regular file.
        PackError: it is in a pack that cannot be used.
    """
    path, _ = unboxed(path)
    found = _located(path)
    if found is None:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = _found(path)
            if found is None:
                raise
        else:
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                raise OSError(0, "no regular file")
            return status.st_size, status.st_mtime_ns
    return found[0].state(found[1])


def is_file(path: Path) -> bool:
    """Whether there is such a file."""
    path, _ = unboxed(path)
    if path.exists():
        return path.is_file()
    found = pack_of(path)
    return found is not None and found[1] in found[0]


def is_dir(path: Path) -> bool:
    """Whether there is such a folder."""
    if path.exists():
        return path.is_dir()
    found = pack_of(path)
    return found is not None and found[1] in found[0].folders


def exists(path: Path) -> bool:
    """Whether there is such a file or folder."""
    return is_file(path) or is_dir(path)


LITTER = frozenset(
    [
        "__MACOSX",
        "@eaDir",
        "#recycle",
        "#snapshot",
        "lost+found",
        "$RECYCLE.BIN",
        "RECYCLER",
        "System Volume Information",
        "Thumbs.db",
        "ehthumbs.db",
        "Desktop.ini",
        "desktop.ini",
        "Icon\r",
        "__pycache__",
    ]
)
"""What operating systems and storage boxes put into folders: never an image or a person."""


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: an operating system's, a Mac's ``._x``."""
    return name in LITTER or name.startswith(("._", ".DS_Store", ".Trash", ".Spotlight", ".fseventsd", ".nfs"))


def entries(folder: Path, *, litter: bool = False) -> list[tuple[str, bool]]:
    """The names in a folder, in no order, and whether each is a folder.

    Args:
        folder: The folder.
        litter: Whether what operating systems put there (:data:`LITTER`) is named too.

    Raises:
        OSError: there is no such folder, or it cannot be read.
        PackError: it is in a pack that cannot be used.
    """
    found = pack_of(folder)
    if found is None:
        _folders.pop(absolute_path(folder), None)  # where a pack was once
        with os.scandir(folder) as listed:
            return [(entry.name, _is_folder(entry)) for entry in listed if litter or not is_litter(entry.name)]
    pack, name = found
    if name not in pack.folders:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    return [(name, is_folder) for name, is_folder in pack.folders[name].items() if litter or not is_litter(name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link that leads to itself is none, and as a file it cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def files_below(folder: Path, *, above: tuple[str, ...] = (), litter: bool = False) -> Iterator[Path]:
    """All files below ``folder``, links followed, hidden ones left out; of each folder sorted, then its folders.

    A link that leads back to a folder above it is passed over, with a warning.

    Args:
        folder: Where to look.
        above: The real paths of the folders that lead there.
        litter: Whether what operating systems put there (:data:`LITTER`) is given too.
    """
    real = os.path.realpath(folder)
    if real in above:
        _log.warning("%s leads back to %s: passed over", folder, real)
        return
    try:
        listed = sorted(
            (name, is_folder) for name, is_folder in entries(folder, litter=litter) if not name.startswith(".")
        )
    except OSError:  # no permission to look, or gone
        return
    yield from (folder / name for name, is_folder in listed if not is_folder)
    for name, is_folder in listed:
        if is_folder:
            yield from files_below(folder / name, above=(*above, real), litter=litter)


def check_hashes(paths: Iterable[Path]) -> None:
    """Compare the hash of each shard that holds one of these files, which :func:`state` has seen.

    Raises:
        PackError: a shard is missing or another one.
    """
    checked: set[tuple[Path, int]] = set()
    for found in filter(None, (_located(unboxed(path)[0]) for path in paths)):
        place = found[0].root, found[0].shard_of(found[1])
        if place not in checked:
            checked.add(place)
            found[0].check_hash(place[1])
