"""The lock of a job: of all processes and machines that share a folder, one at a time runs the job.

The system's lock (``flock``) does the work. A process that is started with the open file holds it too, and the system
frees it when the last one ends, however that ends. Between machines it holds where the file system passes it on: NFS 4
(a machine that dies loses its locks with its lease, after about 90 s), NFS 3 with its lock daemon, Lustre mounted with
``flock``, GPFS, CephFS. Two cases are left, and signs of life settle them. The process that waits for the job changes
the time of the lock file every 20 s; the name of its machine is in the file.

* A lock that another machine holds, without a sign of life in the job's folder for half an hour, was left behind by a
  machine that died (NFS 3 frees it when that machine starts again, which may be never). It is replaced by a new file.
* A lock that seems free, with the name of another machine in its file and a sign of life within three minutes: the file
  system keeps locks to each machine (``nolock``, ``localflock``). The job is left alone.
"""

import fcntl
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from reid_lit.errors import FailedError

LOCK = ".job.lock"
BEAT = 20.0
"""Seconds between two signs of life."""
FRESH = 180.0
"""Seconds after a sign of life within which a process on another machine counts as alive."""
SILENT = 1800.0
"""Seconds without a sign of life after which a lock of another machine counts as left behind."""


def take(folder: Path) -> IO[str] | None:
    """The lock of the job in a folder, as an open file; None where another process has it.

    Args:
        folder: The job's folder, which is there.

    Raises:
        FailedError: the file system has no locks.
    """
    file = folder / LOCK
    while True:
        with ExitStack() as closing:
            lock = closing.enter_context(file.open("a+"))
            if not _locked(lock, fcntl.LOCK_EX):
                if not _left_behind(lock, folder):
                    return None
                if _is_file(lock, file):
                    file.unlink(missing_ok=True)
            elif _is_file(lock, file):  # else it was replaced between the opening and the lock
                if _lives_elsewhere(lock, folder):
                    return None
                _write(lock, f"{socket.gethostname()} {os.getpid()}\n")
                closing.pop_all()
                return lock


@contextmanager
def holding(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder, with signs of life; whether this process has it: False where another one does.

    Args:
        folder: It is there.

    Raises:
        FailedError: the file system has no locks.
    """
    lock = take(folder)
    if lock is None:
        yield False
        return
    over = threading.Event()

    def live() -> None:
        while not over.wait(BEAT):
            beat(lock)

    living = threading.Thread(target=live, daemon=True)
    living.start()
    try:
        yield True
    finally:
        over.set()
        living.join()
        give_back(lock)


def give_back(lock: IO[str]) -> None:
    """Free a lock that was taken: its file no longer names a machine."""
    _write(lock, "")
    lock.close()


def beat(lock: IO[str]) -> None:
    """Show that the process that waits for the job is alive."""
    os.utime(lock.fileno())


def is_held(folder: Path) -> bool:
    """Whether a process runs the job in a folder; nothing is changed there."""
    file = folder / LOCK
    if not file.is_file():
        return False
    with file.open("a+") as lock:
        if not _locked(lock, fcntl.LOCK_SH):
            return not _left_behind(lock, folder)
        return _lives_elsewhere(lock, folder)


def _locked(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise FailedError(
            f"{lock.name} cannot be locked ({error.strerror}): the file system has no locks; mount it with them"
            f" (Lustre: the option flock), or give a folder on another one"
        ) from error
    return True


def _is_file(lock: IO[str], file: Path) -> bool:
    """Whether an open lock is still the file of that name."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), file.stat())
    except FileNotFoundError:
        return False


def _left_behind(lock: IO[str], folder: Path) -> bool:
    """Whether a lock that is held belongs to a machine that seems to be gone."""
    return _elsewhere(lock) and _silence(lock, folder) > SILENT and _silence(lock, folder, whole=True) > SILENT


def _lives_elsewhere(lock: IO[str], folder: Path) -> bool:
    """Whether a lock that seems free belongs to a process on another machine that is alive."""
    return _elsewhere(lock) and _silence(lock, folder) < FRESH


def _elsewhere(lock: IO[str]) -> bool:
    """Whether the file names another machine."""
    lock.seek(0)
    named = lock.read().split()
    return bool(named) and named[0] != socket.gethostname()


def _silence(lock: IO[str], folder: Path, *, whole: bool = False) -> float:
    """Seconds since the last sign of life, by the clock of the file system.

    Args:
        lock: The lock.
        folder: The job's folder.
        whole: Whether each file there is such a sign: a job may outlive the process that waits for it.
    """
    with tempfile.TemporaryFile(dir=folder) as probe:
        now = os.fstat(probe.fileno()).st_mtime
    times = [os.fstat(lock.fileno()).st_mtime]
    if whole:
        times += [path.stat().st_mtime for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file()]
    return now - max(times)


def _write(lock: IO[str], text: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()
