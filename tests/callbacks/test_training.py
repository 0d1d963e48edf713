import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reid_lit.callbacks.training import FiniteLoss, RandomState
from reid_lit.records import Batch, Shot, Split


def draws():
    return float(torch.rand(())), random.random(), float(np.random.rand())  # noqa: NPY002


def test_the_random_state_survives_a_checkpoint_read_without_code(tmp_path):
    callback = RandomState(seed=0)
    torch.save(callback.state_dict(), tmp_path / "state.pt")
    expected = draws()
    draws()
    callback.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draws() == expected


def test_each_epoch_and_rank_has_its_own_draws_and_repeats_them():
    def first(epoch, rank, seed=0):
        RandomState(seed=seed).on_train_epoch_start(SimpleNamespace(current_epoch=epoch, global_rank=rank), None)
        return draws()

    assert first(1, 0) == first(1, 0)
    assert len({first(0, 0), first(1, 0), first(0, 1), first(0, 0, seed=1)}) == 4


def test_a_loss_that_is_not_finite_stops_the_run_and_names_its_files(tmp_path):
    shots = tuple(Shot(tmp_path / f"{i}.jpg", i, 0) for i in range(4))
    data = SimpleNamespace(split=Split("made-up", shots, (), ()))
    trainer = SimpleNamespace(datamodule=data, current_epoch=2, global_step=7)
    callback = FiniteLoss()

    def step(loss, index):
        batch = Batch(torch.zeros(1), torch.zeros(1), torch.zeros(1), torch.tensor(index))
        callback.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss)}, batch, 0)

    step(1.0, [0, 1])
    step(float("nan"), [2, 3])
    with pytest.raises(FloatingPointError, match=r"the loss is nan at epoch 2.*2\.jpg.*3\.jpg.*lower optimizer\.lr"):
        callback.on_train_epoch_end(trainer, None)
