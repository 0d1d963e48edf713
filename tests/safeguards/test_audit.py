"""The log: a line is on the disk before it is answered, and no line is changed, moved or lost unseen."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from reid_lit.errors import ExistingFileError, FailedError, InputError, MissingFileError
from reid_lit.safeguards import audit as module
from reid_lit.safeguards.audit import FILE, HEAD, AuditLog
from reid_lit.safeguards.keys import VARIABLE, make_key


@pytest.fixture
def log(folder, outside, clock):
    return AuditLog(folder, outside, clock=clock)


def filled(log, clock, number=6):
    for k in range(number):
        clock.on(seconds=1)
        log.add({"who": f"token{k}", "act": "query", "images": k})
    return log.file.read_bytes().splitlines(keepends=True)


def test_lines_are_read_back_and_whole(log, clock):
    filled(log, clock)
    lines = list(log.lines())
    assert [(line["n"], line["who"], line["images"]) for line in lines] == [(k + 1, f"token{k}", k) for k in range(6)]
    assert log.verify() == []


def test_a_log_that_was_never_begun_is_whole(log):
    assert log.verify() == []
    assert list(log.lines()) == []


def damaged(kind, lines):
    """The lines after someone without the key was there."""
    changed = lines[2].replace(b'"images":2', b'"images":9')
    return {
        "changed": [*lines[:2], changed, *lines[3:]],
        "blank": [*lines[:2], lines[2].replace(b'"images":2', b'"images": 2'), *lines[3:]],
        "no json": [*lines[:2], b"hello\n", *lines[3:]],
        "missing": [*lines[:2], *lines[3:]],
        "two missing": [*lines[:2], *lines[4:]],
        "first missing": lines[1:],
        "inserted": [*lines[:2], changed, *lines[2:]],
        "repeated": [*lines[:3], lines[2], *lines[3:]],
        "reordered": [*lines[:2], lines[3], lines[2], *lines[4:]],
        "cut off": lines[:-2],
        "last changed": [*lines[:-1], lines[-1].replace(b'"images":5', b'"images":9')],
        "last one cut off": lines[:-1],
        "all cut off": [],
    }[kind]


FOUND = {
    "changed": ["line 3 was changed"],
    "blank": ["line 3 was changed"],
    "no json": ["line 3 was changed"],
    "missing": ["number 3 is missing (1 line)"],
    "two missing": ["numbers 3 to 4 are missing (2 lines)"],
    "first missing": ["number 1 is missing"],
    "inserted": ["line 3 was inserted"],
    "repeated": ["line 4 is number 3, which belongs before it"],
    "reordered": ["number 3 is missing", "line 4 is number 3, which belongs before it: repeated or out of order"],
    "cut off": ["numbers 5 to 6 are cut off at its end (2 lines)"],
    "last changed": ["line 6 was changed"],
    "last one cut off": ["number 6 is cut off at its end"],
    "all cut off": ["numbers 1 to 6 are cut off at its end (6 lines)"],
}


@pytest.mark.parametrize("kind", FOUND)
def test_what_was_done_to_a_log_is_found_and_where(log, clock, kind):
    lines = filled(log, clock)
    log.file.write_bytes(b"".join(damaged(kind, lines)))
    found = log.verify()
    assert len(found) == len(FOUND[kind]), found
    for fault, said in zip(found, FOUND[kind], strict=True):
        assert said in fault
    log.file.write_bytes(b"".join(lines))
    assert log.verify() == []


@pytest.mark.parametrize("kind", ["cut off", "last changed", "last one cut off", "all cut off"])
def test_nothing_is_added_to_a_log_whose_end_is_wrong(log, clock, kind):
    lines = filled(log, clock)
    bad = b"".join(damaged(kind, lines))
    log.file.write_bytes(bad)
    with pytest.raises(FailedError, match="no access is answered until it is restored"):
        log.add({"who": "x"})
    assert log.file.read_bytes() == bad
    log.file.write_bytes(b"".join(lines))
    log.add({"who": "x"})
    assert log.verify() == []


def test_a_log_or_a_head_that_is_gone_is_found(log, clock):
    lines = filled(log, clock)
    head = log.head_file.read_text()
    log.file.unlink()
    assert log.verify() == [f"{log.file} is missing; it had 6 lines"]
    with pytest.raises(FailedError, match="it has 0 lines, and its head says 6"):
        log.add({"who": "x"})
    log.file.write_bytes(b"".join(lines))
    log.head_file.unlink()
    assert "lines that are cut off at the end would not be found" in log.verify()[0]
    with pytest.raises(FailedError, match="is missing; restore it"):
        log.add({"who": "x"})
    log.head_file.write_text(head.replace('"lines": 6', '"lines": 4'))
    assert "is of another key, or was changed" in log.verify()[0]
    with pytest.raises(InputError, match="is of another key, or was changed"):
        log.add({"who": "x"})


def test_a_kill_between_a_line_and_its_head_is_no_fault(log, clock):
    filled(log, clock)
    head = log.head_file.read_text()
    log.add({"who": "late"})
    log.head_file.write_text(head)
    assert log.verify() == []
    log.add({"who": "next"})
    assert [line["n"] for line in log.lines()] == list(range(1, 9))
    assert log.verify() == []


@pytest.mark.parametrize("kept", [1, 30, -1])
def test_a_torn_last_line_is_no_tampering_and_its_repair_is_logged(log, clock, kept):
    lines = filled(log, clock)
    log.file.write_bytes(b"".join(lines) + lines[0][:kept])
    assert log.verify() == []
    assert len(list(log.lines())) == 6
    log.add({"who": "next"})
    *_, repair, added = log.lines()
    assert (repair["act"], repair["who"], repair["removed"]) == ("repair", "log", len(lines[0][:kept]))
    assert added["who"] == "next"
    assert log.verify() == []


def test_a_cut_into_an_acknowledged_line_is_tampering(log, clock):
    lines = filled(log, clock)
    log.file.write_bytes(b"".join(lines)[:-10])
    assert "number 6 is cut off at its end" in log.verify()[0]
    with pytest.raises(FailedError, match="it has 5 lines, and its head says 6"):
        log.add({"who": "x"})


def test_long_lines_are_found_again(log, clock):
    for size in (10, 5_000, 50_000, 10):
        log.add({"who": "x", "hashes": "y" * size})
    assert [line["n"] for line in log.lines()] == [1, 2, 3, 4]
    assert log.verify() == []


def test_a_clock_that_went_back_is_noted_and_refuses_nothing(log, clock):
    filled(log, clock, 2)
    clock.on(hours=-1)
    log.add({"who": "x"})
    clock.on(seconds=1)
    log.add({"who": "y"})
    lines = list(log.lines())
    assert lines[2]["clock"] == "back by 3600.000000 s"
    assert "clock" not in lines[1]
    assert "clock" not in lines[3]
    assert log.verify() == []


def test_another_key_is_refused_and_nothing_is_written(log, clock, folder, outside, monkeypatch):
    filled(log, clock)
    before = log.file.read_bytes()
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    other = AuditLog(folder, outside)
    with pytest.raises(InputError, match="is of another key, or was changed; restore the audit log's key"):
        other.add({"who": "x"})
    assert log.file.read_bytes() == before
    assert "another key" in other.verify()[0]


def test_the_key_is_outside_and_its_owners_alone(outside, folder, monkeypatch):
    file = outside / "audit.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ExistingFileError, match=r"audit.key is there already"):
        make_key(outside)
    file.write_text("short")
    with pytest.raises(InputError, match="is no key: it has 64 hexadecimal digits"):
        AuditLog(folder, outside)
    file.unlink()
    with pytest.raises(MissingFileError, match="no key of the audit log"):
        AuditLog(folder, outside)
    monkeypatch.setenv(VARIABLE, "cd" * 32)
    assert make_key(outside) is None
    log = AuditLog(folder, outside)
    log.add({"who": "x"})
    assert log.verify() == []
    assert not file.exists()
    assert (outside / HEAD).is_file()
    monkeypatch.setenv(VARIABLE, "no")
    with pytest.raises(InputError, match="REID_AUDIT_KEY in the environment is no key") as caught:
        AuditLog(folder, outside)
    assert "no key" in str(caught.value)


def test_neither_log_nor_head_holds_the_key(log, clock, outside):
    key = (outside / "audit.key").read_text().strip()
    filled(log, clock)
    assert key not in log.file.read_text()
    assert key not in log.head_file.read_text()


def test_a_line_is_on_the_disk_before_the_head_and_before_add_returns(log, clock, monkeypatch):
    order = []
    sync = os.fsync

    def synced(handle):
        order.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        sync(handle)

    filled(log, clock, 1)
    monkeypatch.setattr(module.os, "fsync", synced)
    log.add({"who": "x"})
    assert order[0] == FILE
    assert any(HEAD.partition(".json")[0] in name for name in order[1:])


def add_some(folder, outside, name):
    log = AuditLog(folder, outside)
    for k in range(15):
        log.add({"who": f"{name}{k}"})


def test_a_full_disk_answers_nothing_and_loses_nothing(log, clock, monkeypatch):
    filled(log, clock)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            log.add({"who": "x"})
    assert log.verify() == []
    log.add({"who": "y"})
    assert [line["who"] for line in log.lines()][-1] == "y"
    assert log.verify() == []


def test_threads_that_wait_share_a_write(log, monkeypatch):
    synced, first, go = [], threading.Event(), threading.Event()
    sync = os.fsync

    def slow(handle):
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        first.set()
        assert go.wait(20)
        sync(handle)

    log.add({"who": "before"})
    monkeypatch.setattr(module.os, "fsync", slow)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(log.add, {"who": "0"})]
        assert first.wait(20)
        asked += [pool.submit(log.add, {"who": str(k)}) for k in range(1, 8)]
        while len(log._waiting) < 7:
            time.sleep(0.001)
        assert not any(each.done() for each in asked)
        go.set()
        for each in asked:
            each.result()
    assert synced.count(FILE) == 2
    assert sorted(line["who"] for line in log.lines()) == [*"01234567", "before"]
    assert log.verify() == []


def test_threads_that_wait_share_a_failure(log, clock):
    filled(log, clock)
    log.head_file.unlink()
    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(log.add, {"who": "x"}) for _ in range(8)]:
            with pytest.raises(FailedError, match="is missing; restore it"):
                each.result()


def test_any_text_can_be_logged(log):
    texts = ["José 東京", "half \ud800 a pair", 'line\nbreak "quoted" \u2028 \x00']
    for text in texts:
        log.add({"who": "x", "purpose": text})
    assert [line["purpose"] for line in log.lines()] == texts
    assert log.verify() == []


def test_two_writers_at_once(folder, outside):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(add_some, [folder] * 2, [outside] * 2, "ab"))
    log = AuditLog(folder, outside)
    assert [line["n"] for line in log.lines()] == list(range(1, 31))
    assert {line["who"] for line in log.lines()} == {f"{name}{k}" for name in "ab" for k in range(15)}
    assert log.verify() == []


WRITER = """
import sys
from pathlib import Path
from reid_lit.safeguards.audit import AuditLog
log = AuditLog(Path(sys.argv[1]), Path(sys.argv[2]))
for k in range(100000):
    log.add({"who": "killed", "k": k})
    print(k, flush=True)
"""


@pytest.mark.parametrize("lines", [0, 3, 11])
def test_what_was_acknowledged_before_a_kill_is_there(folder, outside, lines):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, folder, outside], stdout=subprocess.PIPE, text=True)
    for _ in range(lines):
        writer.stdout.readline()
    time.sleep(0.01 * lines)
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    said = [*range(lines), *(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))]
    log = AuditLog(folder, outside)
    assert log.verify() == []
    log.add({"who": "after"})
    assert log.verify() == []
    kept = [line["k"] for line in log.lines() if line["who"] == "killed"]
    assert kept[: len(said)] == said


def test_texts_are_hashed_with_the_key(log, folder, outside, monkeypatch):
    assert log.hashed("ann") == log.hashed("ann") != log.hashed("bob")
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    assert AuditLog(folder, outside).hashed("ann") != log.hashed("ann")


def test_lines_are_json_for_other_programs(log, clock):
    filled(log, clock, 2)
    assert [json.loads(line)["n"] for line in log.file.read_text().splitlines()] == [1, 2]
