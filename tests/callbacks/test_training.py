import random
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

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


class Root(pl.LightningModule):
    """Its loss, the root of a weight, is 0 at 0, where its gradient is infinite."""

    def __init__(self, start):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(start))
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("mean", torch.zeros(2))

    def training_step(self, batch):
        return self.weight.sqrt()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trained(module, folder):
    image, index = torch.zeros(1, 3, 8, 4), torch.zeros(1, dtype=torch.int64)
    saved = ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    fit = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[saved, FiniteLoss()],
    )  # fmt: skip
    fit.fit(module, DataLoader([Batch(image, index, index, index)], batch_size=None))
    return folder / "last.ckpt"


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:Checkpoint directory .* exists")
def test_weights_that_are_no_numbers_do_not_replace_a_checkpoint(tmp_path):
    file = trained(Root(4.0), tmp_path)
    before = file.read_bytes()
    with pytest.raises(
        FloatingPointError, match=r"at the end of epoch 0 weights .* under a finite loss: weight\. They"
    ):
        trained(Root(0.0), tmp_path)
    broken = Root(4.0)
    broken.mean[0] = torch.nan
    with pytest.raises(FloatingPointError, match=r": mean\. They are not written: .* Lower optimizer\.lr"):
        trained(broken, tmp_path)
    assert file.read_bytes() == before
