import io

import pytest
import torch
from rich.console import Console

from reid_lit import progress as module
from reid_lit.progress import first_rank, progress


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


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),  # the first of the second machine
        ({"SLURM_PROCID": "1"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"NODE_RANK": "1"}, False),  # of Lightning's own launcher, before it has started the other ranks
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"NODE_RANK": "1", "RANK": "0"}, True),  # the number among all counts
    ],
)
def test_the_first_of_several_processes(monkeypatch, environment, first):
    for key in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "NODE_RANK"):
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert first_rank() == first


@pytest.mark.parametrize("rank", [0, 1])
def test_a_group_of_processes_numbers_them(monkeypatch, rank):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: rank)
    assert first_rank() == (rank == 0)
