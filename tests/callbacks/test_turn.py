"""A training that is told by SIGUSR1 that its time is over."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import pytorch_lightning as pl
import torch

from reid_lit.callbacks import turn as turns
from reid_lit.callbacks.turn import Turn
from reid_lit.jobs.turn import STOPPED, TurnOver


@pytest.fixture
def trainer():
    strategy = SimpleNamespace(reduce_boolean_decision=lambda heard, all: heard, broadcast=lambda value: value)  # noqa: A006
    return Mock(spec=pl.Trainer, world_size=1, num_training_batches=10, current_epoch=4, strategy=strategy)


MODULE = Mock(spec=pl.LightningModule)


@pytest.fixture
def steps(monkeypatch, trainer):
    """Epochs of ten steps of a second; the signal comes in step ``heard``."""
    clock = SimpleNamespace(now=0.0, heard=False)
    monkeypatch.setattr(turns.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(turns, "is_over", lambda: clock.heard)

    def run(callback, heard=None):
        callback.on_train_epoch_start(trainer, MODULE)
        for step in range(10):
            clock.now += 1
            clock.heard = clock.heard or step == heard
            callback.on_train_batch_end(trainer, MODULE, None, None, step)
        callback.on_train_epoch_end(trainer, MODULE)
        return clock.now

    return run


def test_an_epoch_that_can_end_in_time_ends_and_is_saved(steps):
    callback = Turn(notice=4, every=5)
    assert steps(callback, heard=5) == 10
    with pytest.raises(TurnOver) as over:
        steps(callback)
    assert (over.value.code, over.value.again) == (STOPPED, True)


def test_the_last_epoch_is_not_followed_by_tests(steps, trainer):
    callback = Turn(notice=4, every=5)
    steps(callback, heard=9)
    for hook in (callback.on_train_end, callback.on_test_start):
        with pytest.raises(TurnOver):
            hook(trainer, MODULE)


def test_an_epoch_that_takes_too_long_is_given_up_at_once(steps, trainer, caplog):
    callback = Turn(notice=4, every=5)
    steps(callback)
    with pytest.raises(TurnOver) as over:
        steps(callback, heard=2)
    assert over.value.again
    assert "epoch 5 needs 7 s more and is given up" in caplog.text


def test_a_turn_in_which_no_epoch_ends_is_not_asked_for_again(steps, caplog):
    """It would not come further, however often."""
    with pytest.raises(TurnOver) as over:
        steps(Turn(notice=4, every=5), heard=2)
    assert not over.value.again
    assert "give the job more time than an epoch takes" in caplog.text


def test_ranks_are_asked_every_few_steps(steps, trainer):
    trainer.world_size = 2
    asked = []
    trainer.strategy.reduce_boolean_decision = lambda heard, all: asked.append(heard) or False  # noqa: A006
    steps(Turn(notice=4, every=5), heard=2)
    assert asked == [False, True, True]  # before the epoch, and after five and ten steps


@pytest.mark.slow
def test_sigusr1_ends_a_training_of_two_ranks_that_slurm_starts_again(drawn, tmp_path):
    """It saves, asks SLURM once, and the requeued job does the epochs that are left, and tests."""
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{scontrol.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "17", "SLURM_JOB_NAME": "bash",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    words = [
        sys.executable, "-m", "reid_lit.train", "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[32,16]",
        "loader.batch_size=16", "machine.workers=0", f"data_root={drawn}", "trainer.max_epochs=4", "~callbacks.pictures",
        "backbone=resnet18_scratch", "machine.accelerator=cpu", "machine=ddp", "machine.devices=2", "trainer.precision=32-true",
        "callbacks.turn.every=1",
    ]  # fmt: skip
    process = subprocess.Popen([*words, "hydra.run.dir=run"], cwd=tmp_path, env=environment)
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(60) == STOPPED
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
    assert not (tmp_path / "run" / "metrics.json").exists()
    done = torch.load(checkpoint)["epoch"] + 1
    assert 1 <= done < 4
    again = {**environment, "SLURM_RESTART_COUNT": "1"}
    subprocess.run([*words, "hydra.run.dir=run"], cwd=tmp_path, env=again, check=True, timeout=120)
    assert torch.load(checkpoint)["epoch"] + 1 == 4
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["results"]
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
