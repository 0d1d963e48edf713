"""Writers of a gallery that are killed, or that write at the same time."""

import subprocess
import sys

import pytest

import reid_lit.gallery

pytest.importorskip("lancedb")

WRITER = """
import sys
import reid_lit.gallery
gallery = reid_lit.gallery.open(sys.argv[1])
gallery.embedder.batch_size = 4
print("ready", flush=True)
sys.stdin.readline()
gallery.enrol(sys.argv[2:], tell=lambda done, of: print(len(gallery), flush=True))
"""


def writer(folder, paths):
    """A process that waits for a line, then enrols, and says the number of rows after each batch."""
    words = [sys.executable, "-c", WRITER, str(folder), *map(str, paths)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(process):
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_killed_enrolment_lost_nothing_and_repeats_nothing(calibrated_run, crops, tmp_path):
    gallery = reid_lit.gallery.create(tmp_path / "gallery", calibrated_run)
    with writer(gallery.folder, crops[:40]) as process:
        go(process)
        acknowledged = [int(process.stdout.readline()) for _ in range(3)][-1]
        process.kill()
    assert acknowledged > 0
    there = len(reid_lit.gallery.open(gallery.folder))
    assert acknowledged <= there < 40
    again = reid_lit.gallery.open(gallery.folder).enrol([str(path) for path in crops[:40]])
    assert (again.known, again.added) == (there, 40 - there)
    rows = list(gallery.rows())
    assert sorted(row["path"] for row in rows) == sorted(str(path) for path in crops[:40])
    assert len({row["number"] for row in rows}) == 40
    assert gallery.query(crops[39], top=1)[0].hits[0].path == str(crops[39])


def test_two_writers_of_the_same_images_enrol_each_once(calibrated_run, crops, tmp_path):
    gallery = reid_lit.gallery.create(tmp_path / "gallery", calibrated_run)
    with writer(gallery.folder, crops[:24]) as one, writer(gallery.folder, reversed(crops[:24])) as other:
        for process in (one, other):
            go(process)
        for process in (one, other):
            process.communicate()
    assert (one.returncode, other.returncode) == (0, 0)
    rows = list(gallery.rows())
    assert sorted(row["path"] for row in rows) == sorted(str(path) for path in crops[:24])
    assert len({row["number"] for row in rows}) == 24
