"""A damaged side file of a run stops what needs it alone, with a line."""

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from reid_lit.command.refusals import refusal
from reid_lit.errors import InputError
from reid_lit.files.log import logged, read_log
from reid_lit.jobs.job import STATE, recorded
from reid_lit.pages.charts import learning_charts
from reid_lit.run.folder import Run
from reid_lit.run.lineage import read_lineage
from reid_lit.run.loggers import csv_logger

DAMAGE = {"empty": b"", "cut": b'[{"time": "20', "binary": b"\xff\x00\xfe,step", "other": b"7"}


@pytest.fixture(params=DAMAGE)
def damage(request):
    return DAMAGE[request.param]


def test_what_tells_of_a_run_is_passed_over(tmp_path, damage):
    (tmp_path / ".hydra").mkdir()
    for name in ("environment.json", "metrics.json", STATE, ".hydra/hydra.yaml"):
        (tmp_path / name).write_bytes(damage)
    run = Run(tmp_path)
    assert (run.starts(), run.metrics(), recorded(tmp_path), run.option("dataset")) == ([], {}, {}, None)


def test_a_log_with_a_damaged_header_begins_anew(tmp_path, damage, caplog):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "metrics.csv").write_bytes(damage)
    assert csv_logger(folder=str(tmp_path)).experiment.metrics == []
    assert "metrics.csv is passed over: its header is damaged" in caplog.text


@pytest.mark.parametrize(
    "row", [b"0,2.\0\0,7\r\n", b"0,2.0\r\n", b"0,2.0,7,\r\n", b"0,2.0,7", b"0,2.0,7.5\r\n", b"0,\xff,7\r\n"]
)
def test_the_damaged_rows_of_a_log_are_passed_over(tmp_path, row, caplog):
    file = tmp_path / "log" / "metrics.csv"
    file.parent.mkdir()
    file.write_bytes(b"epoch,train/loss,step\r\n0,3.0,5\r\n,nan,6\r\n" + row)
    assert logged(file, "train/loss", along="epoch") == [(0, 3.0)]
    assert "metrics.csv: 1 damaged row is passed over" in caplog.text
    assert [line["x"] for line in learning_charts(file)[0]["data"]] == [(5.0, 6.0)]
    (tmp_path / "checkpoints").mkdir()
    torch.save({"global_step": 9}, tmp_path / "checkpoints" / "last.ckpt")
    resumed = csv_logger(folder=str(tmp_path))
    resumed.log_metrics({"train/loss": 1.0}, step=9)
    assert [row["step"] for row in read_log(file)] == ["5", "6", "9"]


@pytest.mark.parametrize("damage", [b"", b"- [cut", b"\xff\x00"])
def test_a_run_whose_words_are_lost_is_refused(tmp_path, damage):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_bytes(damage)
    with pytest.raises(InputError, match="holds no words that a run was started with; copy the run's folder anew"):
        Run(tmp_path).overrides()


def test_a_list_of_images_that_cannot_be_read_is_needed(tmp_path):
    (tmp_path / "training_list.txt").write_bytes(b"\xff\x00")
    with pytest.raises(InputError, match=r"training_list.txt: damaged .* Copy the run's folder anew"):
        read_lineage(tmp_path)


@pytest.mark.parametrize(
    ("number", "cure"),
    [(28, "make room"), (30, "may read and write"), (13, "may read and write"), (40, "leads to itself")],
)
def test_what_the_disk_does_not_allow_is_a_line(number, cure):
    config = OmegaConf.create({"run_dir": "runs/a"})
    text = refusal(OSError(number, "the fact", "/a/file"), config)
    assert text.startswith("/a/file: the fact; ")
    assert cure in text
    wrapped = InstantiationException("wrapped")
    wrapped.__cause__ = OSError(number, "the fact")
    assert refusal(wrapped, config).startswith("runs/a: the fact; ")
