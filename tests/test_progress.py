import io

import pytest
from rich.console import Console

from reid_lit import progress as module
from reid_lit.progress import progress


def shown(monkeypatch, *, terminal=True, after=0.0):
    """What a bar writes."""
    screen = io.StringIO()
    monkeypatch.setattr(module, "Console", lambda **_: Console(file=screen, force_terminal=terminal, width=80))
    with progress("counting", after=after) as tell:
        tell(1, 2)
        tell(2, 2)
    return screen.getvalue()


def test_a_bar_for_who_watches(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert "counting" in shown(monkeypatch)
    assert "2/2" in shown(monkeypatch)


def test_none_for_work_that_is_soon_done(monkeypatch):
    assert not shown(monkeypatch, after=60.0)


@pytest.mark.parametrize("rank", ["1", "3"])
def test_none_from_other_ranks(monkeypatch, rank):
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert not shown(monkeypatch)


def test_none_where_nobody_watches(monkeypatch):
    assert not shown(monkeypatch, terminal=False)
