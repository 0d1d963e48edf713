"""Memory that a command frees is used anew."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from reid_lit.command.allocation import keep_freed_memory
import numpy as np
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for size in (3, 40):  # million bytes; glibc's own threshold grows up to 32
    block = np.ones(size * 10**6, np.uint8)
    del block
    before = faults()
    for _ in range(5):
        block = np.ones(size * 10**6, np.uint8)
        del block
    print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_freed_memory_is_used_anew():
    def faults(how):
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return [int(line) for line in done.stdout.split()]

    usual, kept = faults("usual"), faults("kept")
    assert usual[1] > 1000
    assert max(kept) < usual[1] / 10
