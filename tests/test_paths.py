import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from reid_lit.overrides import assignment, key_of, unquoted, value_of
from reid_lit.paths import _HOST, beside, remove_leftovers


@pytest.mark.parametrize("path", ["/data/WARD", "sets/a b", "/Märkte/x", "a=b, c", 'so "called"', "null", "123", "1/2"])
def test_hydra_reads_back_the_path_that_was_written(path):
    (read,) = OverridesParser.create().parse_overrides([assignment("dataset.root", Path(path))])
    assert read.value() == path
    written = assignment("resume", Path(path))
    assert (key_of(written), unquoted(value_of(written))) == ("resume", path)


def test_what_dead_processes_have_left_is_removed_and_nothing_else(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead, file = child.pid, tmp_path / "cmc.png"
    gone = [f".cmc.{_HOST}-{dead}.png", f".cmc.{_HOST}-{dead}.0a1b2c3d.png", f".cmc.{dead}.png"]
    kept = [
        "cmc.png",
        f".cmc.other-{dead}.png",
        f".cmc.{os.getpid()}.png",
        ".cmc.notes.png",
        f".roc.{_HOST}-{dead}.png",
    ]
    kept += [beside(file).name, f".cmc.{_HOST}-{dead}.json"]
    for name in (*gone, *kept):
        (tmp_path / name).touch()
    old = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / gone[-1], (old, old))
    (tmp_path / ".cmc.1.png").mkdir()  # of a process that lives
    (tmp_path / f".cmc.{_HOST}-{dead}.ffff.png").mkdir()
    (tmp_path / f".cmc.{_HOST}-{dead}.ffff.png" / "part.jpg").touch()
    remove_leftovers(file)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, ".cmc.1.png"}
