import csv
import logging

import pytest
import torch

from reid_lit.loggers import csv_logger, wandb_logger


def rows(folder):
    with (folder / "log" / "metrics.csv").open() as lines:
        return list(csv.DictReader(lines))


def test_a_resumed_log_goes_on_after_the_steps_that_its_checkpoint_knows(tmp_path):
    logger = csv_logger(folder=str(tmp_path))
    for step in (0, 5, 9, 12):
        logger.log_metrics({"train/loss": 1.0}, step=step)
    (tmp_path / "checkpoints").mkdir()
    torch.save({"global_step": 10}, tmp_path / "checkpoints" / "last.ckpt")
    resumed = csv_logger(folder=str(tmp_path))
    resumed.log_metrics({"train/loss": 2.0, "train/id": 3.0}, step=12)
    assert [(row["step"], row["train/loss"], row["train/id"]) for row in rows(tmp_path)] == [
        ("0", "1.0", ""), ("5", "1.0", ""), ("9", "1.0", ""), ("12", "2.0", "3.0"),
    ]  # fmt: skip
    assert not (tmp_path / "log.before").exists()


@pytest.fixture
def no_account(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def make(folder):
    return wandb_logger(folder=str(folder), project="reid_lit", group="g", tags=["a"])


def test_wandb_without_an_account_is_offline_and_says_so_once(no_account, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        logger = make(tmp_path)
    assert [r.message for r in caplog.records] == [
        f"W&B logs offline to {tmp_path}/wandb (no account on this machine: `wandb login`); `wandb sync` sends it later"
    ]
    assert logger._offline


def test_wandb_with_an_account_but_no_network_is_offline_too(no_account, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with caplog.at_level(logging.WARNING):
        assert make(tmp_path)._offline
    assert "http://127.0.0.1:9 cannot be reached" in caplog.text


def test_a_resumed_run_keeps_its_wandb_id(no_account, tmp_path):
    assert make(tmp_path)._id == make(tmp_path)._id == (tmp_path / "wandb_id").read_text()
