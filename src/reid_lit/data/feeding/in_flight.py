"""Batches on their way from the processes that read them: whether the shared memory has room for them."""

import logging
import shutil
import sys
from pathlib import Path

from reid_lit.errors import InputError
from reid_lit.progress import first_rank

_log = logging.getLogger(__name__)

SHARED = Path("/dev/shm")
"""Where torch's processes lay a batch; Docker gives a container 64 MB of it."""
_AHEAD = 2
"""Batches that torch has each process read ahead."""
_PAGES = 8 * 4096
"""Bytes that the last pages of a batch's tensors may waste."""
_CURE = (
    "give machine.workers=0, a smaller loader.test_batch_size or loader.batch_size, or more of it: docker run"
    " --shm-size=1g, or --ipc=host"
)


def free_shared() -> int | None:
    """Bytes of the shared memory that may be used, nine tenths of the free ones; None on systems that need none."""
    if not sys.platform.startswith("linux"):
        return None
    return shutil.disk_usage(SHARED).free * 9 // 10 if SHARED.is_dir() else 0  # others use it too


def batch_bytes(images: int, size: tuple[int, int]) -> int:
    """Bytes of a batch of uint8 images of height × width, with the numbers beside them, each in pages of its own."""
    return images * (3 * size[0] * size[1] + 64) + _PAGES


def in_flight(workers: int, batch: int, *, ranks: int) -> int:
    """Bytes that are held at once: each process reads two batches ahead, and one is used."""
    return ranks * batch * (_AHEAD * workers + 1) if workers else 0


def fitting_workers(asked: int, batch: int, *, ranks: int, is_chosen: bool) -> int:
    """So many of the processes that read images as the shared memory has room for.

    Without the room torch's processes do not fail: the training waits for ever.

    Args:
        asked: Processes of a rank.
        batch: Bytes of a batch of a rank, see :func:`batch_bytes`.
        ranks: Processes that compute, on this machine.
        is_chosen: Whether the user named the number; else a smaller one will do, and is said.

    Raises:
        ValueError: there is no room for the number that the user named.
    """
    check_shared(asked if is_chosen else 0, {"a batch": batch}, ranks=ranks)
    free = free_shared()
    if free is None:
        return asked
    fitting = max(number for number in range(asked + 1) if in_flight(number, batch, ranks=ranks) <= free)
    if fitting < asked and first_rank():
        _log.warning(
            "machine.workers=auto: %d in place of %d, since %s has %s free and %d would hold up to %s; docker run"
            " --shm-size=1g, or --ipc=host, gives more",
            *(fitting, asked, SHARED, _megabytes(free), asked, _megabytes(in_flight(asked, batch, ranks=ranks))),
        )
    return fitting


def check_shared(workers: int, batches: dict[str, int], *, ranks: int, taken: int = 0) -> None:
    """Raise InputError unless the shared memory has room for all that is on its way at once.

    Args:
        workers: Processes of a rank that read images.
        batches: Bytes of a batch of each loader that works at the same time, by what it is.
        ranks: Processes that compute, on this machine.
        taken: Bytes that something else will take there.

    Raises:
        ValueError: it has not.
    """
    free = free_shared()
    needed = sum(in_flight(workers, batch, ranks=ranks) for batch in batches.values())
    if free is None or not needed or needed + taken <= free:
        return
    sizes = ", ".join(f"{name} is {_megabytes(batch)}" for name, batch in batches.items())
    raise InputError(
        f"workers={workers}: the processes that read images hold up to {_megabytes(needed)} of batches in {SHARED}"
        f" ({sizes}), and {_megabytes(free - taken)} are free there: the training would wait for ever; {_CURE}"
    )


def _megabytes(count: int) -> str:
    return f"{max(0, count) / 1e6:,.1f} MB"
