import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_variant_and_every_row_takes_steps_on_two_ranks_which_end_alike():
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.two_ranks"], cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    free = ["decoder", "private", "shared"]
    taught = ["backbone", "classifier", *free]
    assert {each["name"]: each["moved"] for each in told} == {
        "stage2": ["decoder", "nuisance"], "plain": ["decoder", "neck", "nuisance"], "fix": ["decoder", "neck"],
        "new": ["decoder", "neck", "nuisance"], "cam": ["decoder", "neck", "nuisance"],
        "full": sorted(taught), "shared": sorted({*taught} - {"private"}),
        "unsupervised": free, "rebuilt": ["decoder", "shared"],
    }  # fmt: skip
    assert all(each["same"] for each in told)
