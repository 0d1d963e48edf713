"""The lock of a job, between processes and between machines."""

import errno
import fcntl
import os
import time

import pytest

from reid_lit.errors import FailedError
from reid_lit.jobs import lock as locks
from reid_lit.jobs.lock import LOCK, give_back, holding, is_held, take


@pytest.fixture
def as_machine(monkeypatch):
    return lambda name: monkeypatch.setattr(locks.socket, "gethostname", lambda: name)


def make_older(folder, seconds):
    for file in (*folder.iterdir(), folder / LOCK):
        os.utime(file, (time.time() - seconds,) * 2)


def test_one_at_a_time_has_it(tmp_path):
    assert not is_held(tmp_path)
    lock = take(tmp_path)
    assert is_held(tmp_path)
    assert take(tmp_path) is None
    give_back(lock)
    assert not is_held(tmp_path)
    assert (tmp_path / LOCK).read_text() == ""


def test_what_is_held_shows_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.01)
    with holding(tmp_path) as mine:
        assert mine
        make_older(tmp_path, 60)
        while time.time() - (tmp_path / LOCK).stat().st_mtime > 30:
            time.sleep(0.01)
        with holding(tmp_path) as theirs:
            assert not theirs
    assert not is_held(tmp_path)


def test_the_lock_of_a_machine_that_died_is_replaced(tmp_path, as_machine):
    """NFS 3 keeps the lock of a dead machine until that machine starts again."""
    as_machine("a")
    kept = take(tmp_path)
    (tmp_path / "metrics.csv").touch()
    as_machine("b")
    make_older(tmp_path, locks.SILENT - 60)
    assert take(tmp_path) is None
    make_older(tmp_path, locks.SILENT + 60)
    (tmp_path / "metrics.csv").touch()  # what runs the job died, the job lives
    assert is_held(tmp_path)
    assert take(tmp_path) is None
    make_older(tmp_path, locks.SILENT + 60)
    assert not is_held(tmp_path)
    lock = take(tmp_path)
    assert (tmp_path / LOCK).read_text().split()[0] == "b"
    assert is_held(tmp_path)
    assert take(tmp_path) is None
    give_back(lock)
    kept.close()


def test_the_own_machine_waits_for_its_silent_job(tmp_path, as_machine):
    as_machine("a")
    kept = take(tmp_path)
    make_older(tmp_path, locks.SILENT + 60)
    assert take(tmp_path) is None
    kept.close()


def test_a_lock_that_does_not_hold_between_machines_is_respected_by_its_signs_of_life(tmp_path, as_machine):
    """Mounted with nolock or localflock, the lock of another machine seems free."""
    as_machine("a")
    kept = take(tmp_path)
    fcntl.flock(kept, fcntl.LOCK_UN)
    as_machine("b")
    assert is_held(tmp_path)
    assert take(tmp_path) is None
    make_older(tmp_path, locks.FRESH + 60)
    assert not is_held(tmp_path)
    locks.beat(kept)
    assert is_held(tmp_path)
    make_older(tmp_path, locks.FRESH + 60)
    give_back(take(tmp_path))
    kept.close()


def test_a_job_that_ended_leaves_no_trace_for_other_machines(tmp_path, as_machine):
    as_machine("a")
    give_back(take(tmp_path))
    as_machine("b")
    lock = take(tmp_path)
    assert lock is not None
    give_back(lock)


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with pytest.raises(FailedError, match=r"\.job\.lock cannot be locked \(Function not implemented\): .* flock"):
        take(tmp_path)
