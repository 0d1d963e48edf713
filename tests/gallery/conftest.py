import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from reid_lit.gallery.rows import Entry, table_of


@pytest.fixture(scope="session")
def crops(drawn):
    """Drawn images of a test, by person and camera."""
    folder = drawn / "synthetic" / "plaza-tiny-0"
    return sorted(
        path for path in folder.rglob("*") if path.suffix in (".png", ".jpg") and "train" not in str(path.parent)
    )


@pytest.fixture(scope="session")
def calibrated_run(trained, command, tmp_path_factory):
    """A copy of the trained run that was calibrated."""
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(trained[0], folder)
    command(f"run={folder}", "rates=[0.05,0.001]", "resamples=20", cwd=folder.parent, module="reid_lit.calibrate")
    return folder


def rows_of(random, number, *, dim, first=0):
    """Rows with persons, cameras and times, some of them unknown."""
    from datetime import UTC, datetime, timedelta

    vectors = random.normal(size=(number, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = [
        Entry(
            path=f"/crops/it's {first + k}.png",
            person=[None, "ann", "bob's", "José"][(first + k) % 4],
            camera=[None, "door", 'yard "2"'][(first + k) % 3],
            time=None if (first + k) % 5 == 0 else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=first + k),
        )
        for k in range(number)
    ]
    return table_of(entries, [f"id{first + k}" for k in range(number)], vectors, first=first), vectors


__all__ = ["Path", "json", "rows_of"]
