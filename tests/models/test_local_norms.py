import pytest
from torch import nn

from reid_lit.layers.norms_in_parts import use_ghost_batches
from reid_lit.models.local_norms import say_local_norms


def say(*layers, ranks=2):
    say_local_norms(nn.Sequential(nn.Linear(3, 4), *layers), ranks=ranks, images=16)


def test_batch_norms_that_see_a_share_are_told(caplog):
    say(nn.BatchNorm1d(4))
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "batch norms see 8 images each, the share of one of 2 ranks, not the 16 of a batch: training differs"
    )
    assert "trainer.sync_batchnorm=true" in record.getMessage()


@pytest.mark.parametrize("layer", [nn.Identity(), nn.LayerNorm(4), nn.SyncBatchNorm(4), nn.BatchNorm1d(4).eval()])
def test_what_sees_no_share_is_not(caplog, layer):
    say(layer)
    assert not caplog.records


@pytest.mark.parametrize(("ghost", "warned"), [(4, False), (8, False), (16, True)])
def test_ghost_batches_of_a_share_are_those_of_one_process(caplog, ghost, warned):
    norm = nn.BatchNorm1d(4)
    use_ghost_batches(norm, ghost)
    say_local_norms(norm, ranks=2, images=16)
    assert ["with model.ghost_batch=8 it does not" in each.getMessage() for each in caplog.records] == [True] * warned


def test_one_process_and_other_ranks_are_silent(caplog, monkeypatch):
    say(nn.BatchNorm1d(4), ranks=1)
    monkeypatch.setenv("RANK", "1")
    say(nn.BatchNorm1d(4))
    assert not caplog.records
