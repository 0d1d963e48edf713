"""What a process does with memory that it frees."""

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Names of ``mallopt``'s parameters in glibc's ``malloc.h``."""
STEP = 64 * 2**20
"""Bytes that the process asks the system for at once; they take memory when they are used."""


def keep_freed_memory() -> None:
    """Let the process use the memory anew that it has freed; every command does.

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
