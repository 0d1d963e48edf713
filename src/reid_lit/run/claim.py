"""A run's folder belongs to one process at a time, and a training that has ended is not overwritten."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from reid_lit.errors import ExistingFileError
from reid_lit.overrides import assignment
from reid_lit.progress import first_rank

LOCK = ".run.lock"


@contextmanager
def claimed(folder: Path, *, resumed: bool) -> Iterator[None]:
    """Within it no other process trains in ``folder``; the first rank alone asks.

    Args:
        folder: The run's.
        resumed: Whether the training goes on in it.

    Raises:
        ExistingFileError: another process trains in it, or it holds a training that is not gone on with.
    """
    if not first_rank():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ExistingFileError(
            f"{folder.resolve()}: another process trains in this folder; wait for its end, or give this one a folder of"
            " its own, hydra.run.dir=<folder>"
        ) from None
    try:
        _check_free(folder, resumed=resumed)
        yield
    finally:
        lock.release()


def check_free(folder: Path) -> None:
    """Raise ExistingFileError unless a new training may begin in a folder; before Hydra writes into it.

    Raises:
        ExistingFileError: see :func:`claimed`.
    """
    if first_rank() and folder.is_dir():
        with claimed(folder, resumed=False):
            return


def last_checkpoints(folder: Path) -> list[Path]:
    """What a training of this folder, or of its splits, goes on from; the stages before it have their own."""
    files = (folder / "checkpoints" / "last.ckpt", *sorted(folder.glob("split_*/checkpoints/last.ckpt")))
    return [file for file in files if file.is_file()]


def _check_free(folder: Path, *, resumed: bool) -> None:
    found = ["metrics.json"] if (folder / "metrics.json").is_file() else []
    found += [str(file.relative_to(folder)) for file in last_checkpoints(folder)]
    if found and not resumed:
        what = "a training that has ended" if found[0] == "metrics.json" else "a training that has begun"
        raise ExistingFileError(
            f"{folder.resolve()} holds {what} ({found[0]}); {assignment('resume', folder.resolve())} goes on with it,"
            " or give this one another folder by hydra.run.dir=<folder>"
        )
