import random
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from reid_lit.callbacks.training import FiniteLoss, RandomState
from reid_lit.records import Batch, Shot, Split

MODEL = pl.LightningModule()


def trainer(**attributes):
    """A trainer that knows no more than ``attributes``."""
    return create_autospec(pl.Trainer, instance=True, **attributes)


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
        RandomState(seed=seed).on_train_epoch_start(trainer(current_epoch=epoch, global_rank=rank), MODEL)
        return draws()

    assert first(1, 0) == first(1, 0)
    assert len({first(0, 0), first(1, 0), first(0, 1), first(0, 0, seed=1)}) == 4


def test_a_loss_that_is_not_finite_stops_the_run_and_names_its_files(tmp_path):
    shots = tuple(Shot(tmp_path / f"{i}.jpg", i, 0) for i in range(4))
    data = SimpleNamespace(split=Split("made-up", shots, (), ()))
    stub = trainer(datamodule=data, current_epoch=2, global_step=7)
    callback = FiniteLoss()

    def step(loss, index):
        batch = Batch(
            torch.zeros(2, 3, 8, 4), torch.tensor(index), torch.zeros(2, dtype=torch.int64), torch.tensor(index)
        )
        callback.on_train_batch_end(stub, MODEL, {"loss": torch.tensor(loss)}, batch, 0)

    step(1.0, [0, 1])
    step(float("nan"), [2, 3])
    with pytest.raises(FloatingPointError, match=r"the loss is nan at epoch 2.*2\.jpg.*3\.jpg.*lower optimizer\.lr"):
        callback.on_train_epoch_end(stub, MODEL)
