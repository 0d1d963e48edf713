"""Where ``conf/`` and ``experiments/`` are, in a checkout and in a wheel; files written whole."""

import contextlib
import glob
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path


def packaged(name: str) -> Path:
    """The folder ``name``: next to this package in a wheel, at the root of the checkout otherwise.

    Raises:
        FileNotFoundError: neither place has it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parents[1] / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no folder {name!r} next to {package} or at {package.parents[1]}; reinstall reid-lit")


def options(group: str) -> list[str]:
    """The options of a group of ``conf/``, sorted. A file whose name starts with ``_`` is none: others extend it."""
    return sorted(file.stem for file in (packaged("conf") / group).glob("[!_]*.yaml"))


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a file next to ``path``, then rename it: a killed run leaves the old file or the new one.

    Args:
        path: Where the file is to be; its folder is made.
        write: Called with the path of that file, which has the same ending.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    part = path.with_name(f".{path.stem}.{_HOST}-{os.getpid()}{path.suffix}")
    try:
        write(part)
        _to_disk(part)
        part.replace(path)
        _to_disk(path.parent)
    finally:
        part.unlink(missing_ok=True)
    return path


_HOST = re.sub(r"\W", "_", platform.node())[:32] or "host"


def _to_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk, where a power failure leaves it; some file systems cannot say."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine that were killed have left of earlier versions of a file."""
    start, end = f".{path.stem}.{_HOST}-", path.suffix
    for left in path.parent.glob(f"{glob.escape(start)}*"):
        number = left.name[len(start) : len(left.name) - len(end)]
        if left.name.endswith(end) and number.isdecimal() and not _lives(int(number)):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name != "posix":  # there os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
