"""How much memory is free, and what becomes of memory that the process frees."""

import ctypes
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = Path("/sys/fs/cgroup")
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Names of ``mallopt``'s parameters in glibc's ``malloc.h``."""
STEP = 64 * 2**20
"""Bytes that the process asks the system for at once; they take memory when they are used."""


def shared_folder() -> Path:
    """The folder for files in memory: ``/dev/shm``, or the folder of temporary files on systems without it."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def free_bytes(folder: Path) -> tuple[int, str]:
    """The largest size of a new file in ``folder``, and what sets that limit.

    On a disk it is the disk's free space. In memory (``/dev/shm``) it is the least of that folder's free space, the
    machine's available memory, and the free memory of the control groups, such as a container or a SLURM job.

    Args:
        folder: The folder of the new file.
    """
    limits = [(shutil.disk_usage(folder).free, str(folder))]
    if folder == Path("/dev/shm"):
        limits += [*_available(), *_of_cgroups()]
    return min(limits)


def free_memory() -> tuple[int, str]:
    """How many bytes a process can take in addition, and what sets that limit.

    It is the least of the machine's available memory and the free memory of the control groups. Where the system tells
    neither (macOS), it is all of the machine's memory.
    """
    limits = [*_available(), *_of_cgroups()]
    return min(limits or [(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "the machine's memory")])


def keep_freed_memory() -> None:
    """Let the process use the memory anew that it has freed, as every command does.

    By itself glibc gives the memory of a feature map back to the system and asks for it again in the next layer; the
    system fills it with zeros each time. That takes up to a third of a forward pass on a CPU. Elsewhere than in glibc
    nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_MMAP_MAX, 0)  # blocks of any size come from the heap
        allocator.mallopt(_TRIM_THRESHOLD, -1)  # which never shrinks
        allocator.mallopt(_TOP_PAD, STEP)
        allocator.mallopt(_ARENA_MAX, 1)  # and is that of all threads


def _available() -> Iterator[tuple[int, str]]:
    for line in _MEMINFO.read_text().splitlines() if _MEMINFO.is_file() else ():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024, "the machine's memory"


def _of_cgroups() -> Iterator[tuple[int, str]]:
    for folder in _cgroups():
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            if (folder / limit).is_file() and (folder / used).is_file():
                most = (folder / limit).read_text().strip()
                if most != "max":
                    taken = int((folder / used).read_text()) - _reclaimable(folder)
                    yield int(most) - taken, f"the control group's memory ({folder / limit})"


def _cgroups() -> Iterator[Path]:
    """The folders of this process's control groups and their parents, of version 2 and 1."""
    file = Path("/proc/self/cgroup")
    for line in file.read_text().splitlines() if file.is_file() else ():
        _, controllers, path = line.split(":", maxsplit=2)
        if controllers in ("", "memory"):
            group = Path(path.lstrip("/"))
            yield from (_CGROUPS / controllers / part for part in (group, *group.parents))


def _reclaimable(folder: Path) -> int:
    """Bytes of cached files, which the kernel gives back when memory is short."""
    statistics = folder / "memory.stat"
    for line in statistics.read_text().splitlines() if statistics.is_file() else ():
        if line.startswith(("inactive_file ", "total_inactive_file ")):
            return int(line.split()[1])
    return 0
