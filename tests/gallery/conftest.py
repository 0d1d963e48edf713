import shutil
import subprocess
import uuid
from contextlib import ExitStack

import numpy as np
import pytest
from tests.gallery.servers import PASSWORD, postgres_server

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


@pytest.fixture(scope="session")
def postgres():
    """The address of a server, without its password, and the folder of its data."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    stack = ExitStack()
    try:
        server = stack.enter_context(postgres_server())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        pytest.skip(f"no PostgreSQL server could be started: {error}")
    with stack:
        yield server


@pytest.fixture
def store_of(request, tmp_path, monkeypatch):
    """Where an engine may keep rows, by its name."""

    def store(engine):
        if engine != "postgres":
            return str(tmp_path / "store")
        address, _ = request.getfixturevalue("postgres")
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        return f"{address}&gallery=g{uuid.uuid4().hex}"

    return store


@pytest.fixture
def uncalibrated_run(trained, tmp_path):
    """A copy of the trained run without what another test has measured on it."""
    folder = tmp_path / "uncalibrated"
    shutil.copytree(trained[0], folder)
    (folder / "checkpoints" / "calibration.json").unlink(missing_ok=True)
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


def is_meant(where, row):
    """Whether a row is one of those that ``where`` means."""
    lists = {"person": where.persons, "camera": where.cameras, "path": where.paths, "owner": where.owners}
    if any(allowed and row[column] not in allowed for column, allowed in lists.items()):
        return False
    taken, number = row.get("time"), row["number"]
    if (where.since or where.until) and taken is None:
        return False
    bounds = (
        where.since is None or taken >= where.since,
        where.until is None or taken < where.until,
        where.above is None or number > where.above,
        where.up_to is None or number <= where.up_to,
    )
    return all(bounds)
