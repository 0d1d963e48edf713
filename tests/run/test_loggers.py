import csv
import json
import logging
import struct
import time

import pytest
import torch
import wandb
from hydra.utils import instantiate

from reid_lit.run.folder import Run
from reid_lit.run.logged import log_objective, log_results
from reid_lit.run.loggers import csv_logger, wandb_logger


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


@pytest.mark.parametrize("left", ["hparams.yaml", None])
def test_a_start_that_was_killed_while_it_removed_the_old_log_has_all_its_rows(tmp_path, left):
    (tmp_path / "checkpoints").mkdir()
    torch.save({"global_step": 10}, tmp_path / "checkpoints" / "last.ckpt")
    csv_logger(folder=str(tmp_path)).log_metrics({"train/loss": 1.0}, step=0)
    (tmp_path / "log.before").mkdir()
    if left:
        (tmp_path / "log.before" / left).touch()
    csv_logger(folder=str(tmp_path)).log_metrics({"train/loss": 2.0}, step=12)
    assert [(row["step"], row["train/loss"]) for row in rows(tmp_path)] == [("0", "1.0"), ("12", "2.0")]
    assert not (tmp_path / "log.before").exists()


@pytest.mark.parametrize("kept", ["whole", "half"])
def test_a_start_that_was_killed_before_it_had_the_old_rows_takes_them_again(tmp_path, kept):
    (tmp_path / "checkpoints").mkdir()
    torch.save({"global_step": 10}, tmp_path / "checkpoints" / "last.ckpt")
    csv_logger(folder=str(tmp_path)).log_metrics({"train/loss": 1.0}, step=0)
    (tmp_path / "log").rename(tmp_path / "log.before")
    if kept == "half":
        (tmp_path / "log").mkdir()
        (tmp_path / "log" / "hparams.yaml").touch()
    csv_logger(folder=str(tmp_path)).log_metrics({"train/loss": 2.0}, step=12)
    assert [row["step"] for row in rows(tmp_path)] == ["0", "12"]


def test_a_kill_while_a_column_is_added_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    logger = csv_logger(folder=str(tmp_path))
    logger.log_metrics({"train/loss": 1.0}, step=0)
    before = (tmp_path / "log" / "metrics.csv").read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(csv.DictWriter, "writerows", killed)
        with pytest.raises(KeyboardInterrupt):
            logger.log_metrics({"val/mAP": 0.5}, step=0)
    assert (tmp_path / "log" / "metrics.csv").read_bytes() == before
    logger.log_metrics({"train/loss": 0.5}, step=1)
    assert [[row[name] for name in ("step", "train/loss", "val/mAP")] for row in rows(tmp_path)] == [
        ["0", "1.0", ""], ["0", "", "0.5"], ["1", "0.5", ""],
    ]  # fmt: skip


@pytest.fixture
def no_account(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def make(folder):
    return wandb_logger(folder=str(folder), project="reid_lit", group="g", job_type="train", tags=["a"], config={})


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


def records(folder):
    """What an offline run will send, once W&B's own process has written the end of it."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    for _ in range(300):
        found = read_records(file.read_bytes())
        if any(each.WhichOneof("record_type") == "exit" for each in found):
            break
        time.sleep(0.1)
    return found


def read_records(data):
    """A log of blocks of 32 kB, each record in parts of checksum, length, kind, bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    place, found, parts = 7, [], b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        parts, place = parts + data[place + 7 : place + 7 + length], place + 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(Record.FromString(parts))
            parts = b""
    return found


def test_what_wandb_filters_by_reaches_the_run(no_account, tmp_path, compose):
    config = compose(
        "logger=wandb", "dataset=ward", "seed=3", f"run_dir={tmp_path}", "labels.paper=strong", "labels.table=strong/table1",
        "labels.row='+ center loss'",
    )  # fmt: skip
    logger = instantiate(config.logger.wandb, _convert_="all")
    log_objective([logger], None)
    log_objective([logger], 0.25)
    wandb.finish()
    sent = records(tmp_path)
    (run,) = [each.run for each in sent if each.WhichOneof("record_type") == "run"]
    assert (run.run_group, run.job_type, list(run.tags)) == (
        "softmax", "train", ["softmax", "ward", "seed 3", "strong", "strong/table1"],
    )  # fmt: skip
    keys = {each.key: json.loads(each.value_json) for each in run.config.update}
    wanted = {"seed": 3, "trained_on": "ward", "paper": "strong", "table": "strong/table1", "row": "+ center loss"}
    assert {key: keys[key] for key in wanted} == wanted
    assert (keys["choices"]["dataset"], keys["choices"]["backbone"]) == ("ward", "resnet50")
    assert not [group for group in keys["choices"] if group.startswith("hydra/")]
    logged = [item for each in sent for item in each.history.item]
    assert [json.loads(item.value_json) for item in logged if "objective" in (item.key, *item.nested_key)] == [0.25]


def test_a_test_without_a_training_sends_the_scores_that_a_table_shows(no_account, tmp_path, compose):
    results = [
        {"dataset": "viper", "scores": {"mAP": 0.25, "rank1": 0.5}, "deviations": {"mAP": 0.125}},
        {"dataset": "ward", "scores": {"mAP": 0.75}},
    ]
    (tmp_path / "metrics.json").write_text(json.dumps({"results": results}))
    words = (f"run_dir={tmp_path}", "run=somewhere", "labels.table=strong/table1")
    log_results(compose(*words, config_name="evaluate"), Run(tmp_path))
    assert not (tmp_path / "wandb").exists()
    log_results(compose(*words, "logger=wandb", config_name="evaluate"), Run(tmp_path))
    sent = records(tmp_path)
    (run,) = [each.run for each in sent if each.WhichOneof("record_type") == "run"]
    assert (run.job_type, "strong/table1" in run.tags) == ("evaluate", True)
    logged = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for each in sent for item in each.history.item}  # fmt: skip
    shown = {"test/viper/mAP": 0.25, "test/viper/rank1": 0.5, "test/ward/mAP": 0.75}
    assert {name: value for name, value in logged.items() if name.startswith("test/")} == shown


@pytest.mark.parametrize(("command", "job"), [("train", "train"), ("evaluate", "evaluate"), ("figure", "figure")])
def test_every_command_has_its_job_type(compose, command, job):
    assert compose("logger=wandb", config_name=command).logger.wandb.job_type == job


def test_in_a_wandb_sweep_its_agent_gives_the_id(no_account, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    assert make(tmp_path)._id == "given"
    assert not (tmp_path / "wandb_id").exists()
