"""Batches on their way, and a shared memory that is too small for them."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import Dataset

from reid_lit.data.feeding import in_flight, loading
from reid_lit.errors import FailedError, InputError

MB = 1_000_000


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free in the shared memory."""

    def to(count):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=-(-count * 10 // 9)))

    return to


def test_what_is_held_at_once():
    """Two batches ahead of each process, and the one that is used; none without processes."""
    batch = in_flight.batch_bytes(128, (256, 128))
    assert batch == pytest.approx(128 * 3 * 256 * 128, rel=0.01)
    assert in_flight.in_flight(4, batch, ranks=2) == 2 * 9 * batch
    assert in_flight.in_flight(0, batch, ranks=2) == 0


def test_a_number_that_the_user_named_is_refused(free):
    free(64 * MB)
    with pytest.raises(
        InputError, match=r"workers=4: .* up to 90\.0 MB .*64\.0 MB are free .* wait for ever; .*workers=0.*shm-size"
    ):
        in_flight.fitting_workers(4, 10 * MB, ranks=1, is_chosen=True)
    assert in_flight.fitting_workers(2, 10 * MB, ranks=1, is_chosen=True) == 2


@pytest.mark.parametrize(("count", "fitting"), [(200, 4), (64, 2), (30, 1), (29, 0), (0, 0)])
def test_a_number_of_our_own_is_made_to_fit(free, count, fitting, caplog):
    free(count * MB)
    assert in_flight.fitting_workers(4, 10 * MB, ranks=1, is_chosen=False) == fitting
    assert ("machine.workers=auto" in caplog.text) == (fitting < 4)


def test_training_and_test_need_room_together(free):
    free(100 * MB)
    in_flight.check_shared(2, {"train": 10 * MB, "test": 10 * MB}, ranks=1)
    with pytest.raises(InputError, match="workers=2"):
        in_flight.check_shared(2, {"train": 10 * MB, "test": 10 * MB}, ranks=1, taken=MB)


class Silent(Dataset):
    """Its second batch never comes."""

    def __len__(self):
        return 4

    def __getitems__(self, index):
        if index[0]:
            torch.futures.Future().wait()
        return torch.tensor(index)


def test_a_batch_that_does_not_come_ends_in_a_line(monkeypatch):
    monkeypatch.setattr(loading, "PATIENCE", 2)
    loader = loading.BatchLoader(Silent(), batch_size=2, num_workers=1, collate_fn=lambda batch: batch)
    with pytest.raises(FailedError, match=r"workers=1: .* timed out after 2 seconds.*machine\.workers=0"):
        list(loader)
