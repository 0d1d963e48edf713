"""Two of the moments of ``scripts/try_kills.py``; the script tries all of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "try_kills.py"


@pytest.mark.slow
def test_a_kill_while_a_checkpoint_or_a_page_is_written_costs_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--one", "--only", "second checkpoint half written", "in page"],
        capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("2 of 2 kept bit for bit")
    assert not list(tmp_path.iterdir())
