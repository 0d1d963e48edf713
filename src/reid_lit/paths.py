"""Where ``conf/`` and ``experiments/`` are, in a checkout and in a wheel; files written whole."""

import contextlib
import glob
import os
import platform
import re
import shutil
import time
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
    remove_leftovers(path)
    part = beside(path)
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


def beside(path: Path, *, mark: str = "") -> Path:
    """The hidden place beside a path where this process makes it; ``mark`` tells apart several at once."""
    return path.with_name(f".{path.stem}.{_HOST}-{os.getpid()}{mark and f'.{mark}'}{path.suffix}")


def remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine that were killed have left of earlier versions of a file or a folder.

    Names of before had no machine in them: they go once they are a day old.
    """
    stem, end = re.escape(path.stem), re.escape(path.suffix)
    made = re.compile(rf"\.{stem}\.(?:(?P<host>{re.escape(_HOST)})-)?(?P<process>\d+)(?:\.[0-9a-f]+)?{end}")
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*"):
        found = made.fullmatch(left.name)
        if found and not _lives(int(found["process"])) and (found["host"] or _age(left) > _DAY):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


_DAY = 24 * 3600


def _age(path: Path) -> float:
    """Seconds since a file or a folder was changed; 0 where it is gone."""
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def _lives(process: int) -> bool:
    if os.name != "posix":  # there os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OverflowError:  # no number of a process
        return False
    except OSError:  # another user's
        return True
    return True


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
