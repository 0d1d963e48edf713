from datetime import UTC, datetime, timedelta

import pytest

from reid_lit.safeguards import keys


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.time

    def on(self, **length):
        self.time += timedelta(**length)


@pytest.fixture(autouse=True)
def no_key_of_the_user(monkeypatch):
    monkeypatch.delenv(keys.VARIABLE, raising=False)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gallery").mkdir()
    return tmp_path / "gallery"


@pytest.fixture
def outside(tmp_path):
    """A folder with the key of a log."""
    keys.make_key(tmp_path / "outside")
    return tmp_path / "outside"
