import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reid_lit import memory

FAULTS = """
import resource, sys
from reid_lit import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for size in (3, 40):  # million bytes; glibc's own threshold grows up to 32
    block = b"x" * (size * 10**6)
    del block
    before = faults()
    for _ in range(5):
        block = b"x" * (size * 10**6)
        del block
    print(faults() - before)
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 8 GB available, 4 GB of them in /dev/shm, in control groups of the version asked for."""

    def made(version, limit):
        name = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"), 2: ("memory.max", "memory.current")}[version]
        group = tmp_path / "cgroup" / ("memory" if version == 1 else "") / "job"
        (group / "step").mkdir(parents=True)
        for folder, most in ((group, limit), (group / "step", "max" if version == 2 else str(2**63 - 4096))):
            (folder / name[0]).write_text(f"{most}\n")
            (folder / name[1]).write_text("1000000000\n")
            (folder / "memory.stat").write_text("anon 5\ninactive_file 300000000\n")
        (tmp_path / "self").write_text("0::/job/step\n" if version == 2 else "3:cpu:/x\n4:memory:/job/step\n")
        (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable: 7812500 kB\n")
        real = Path
        monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
        monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(memory, "Path", lambda path: tmp_path / "self" if "cgroup" in str(path) else real(path))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 5, 4 * 10**9))

    return made


@pytest.mark.parametrize("version", [1, 2])
def test_the_least_of_all_limits_counts(machine, version):
    machine(version, 2 * 10**9)
    free, owner = memory.free_bytes(Path("/dev/shm"))
    assert free == 13 * 10**8  # what is used may be given back in part
    assert "control group" in owner
    assert "job" in owner


@pytest.mark.parametrize("limit", ["max", str(90 * 10**9)])
def test_a_wide_group_does_not_count(machine, limit):
    machine(2, limit)
    assert memory.free_bytes(Path("/dev/shm")) == (4 * 10**9, "/dev/shm")


def test_on_a_disk_its_own_space_counts(machine, tmp_path):
    machine(2, 10**6)
    assert memory.free_bytes(tmp_path) == (4 * 10**9, str(tmp_path))


def test_the_memory_of_a_process_is_bound_by_the_machine_and_its_group(machine):
    machine(2, "max")
    assert memory.free_memory() == (8 * 10**9, "the machine's memory")


def test_a_narrow_group_counts(machine):
    machine(2, 2 * 10**9)
    assert memory.free_memory()[0] == 13 * 10**8


def test_this_machine_has_free_memory():
    assert memory.free_bytes(memory.shared_folder())[0] > 0
    assert memory.free_memory()[0] > 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_freed_memory_is_used_anew():
    def faults(how):
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return [int(line) for line in done.stdout.split()]

    usual, kept = faults("usual"), faults("kept")
    assert usual[1] >= 5 * 40 * 10**6 // 2**21  # a huge page each, at least
    assert max(kept) < usual[1] / 4
