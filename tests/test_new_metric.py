"""A score that is computed in one function and has one entry in the catalogue reaches every report."""

import csv
import importlib.util
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from hydra.utils import instantiate

from reid_lit.evaluation import catalogue, scores
from reid_lit.evaluation.catalogue import Metric
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.models.base import RetrievalModel
from reid_lit.pages.run import run_page
from reid_lit.pages.table import table_page
from reid_lit.pages.thumbnails import ThumbnailSize
from reid_lit.records import Split
from reid_lit.run.folder import Run
from reid_lit.run.results import record
from reid_lit.sweeps import report as sweeps
from reid_lit.tables import report_text as tables
from reid_lit.tables.matrix import text
from reid_lit.tables.report import report_of
from reid_lit.tables.spec import TableError, read_file
from reid_lit.testing.tests import result_row

ENTRY = Metric(key="made_up", label="made-up score", without_camera=True)
VALUE = 0.3125
SCRIPT = Path(__file__).parents[1] / "scripts" / "wandb_dashboard.py"


@pytest.fixture
def result(monkeypatch):
    """An evaluation with a score that the package does not have."""
    means = scores._means
    monkeypatch.setattr(catalogue, "METRICS", [*catalogue.METRICS, ENTRY])
    monkeypatch.setattr(scores, "_means", lambda *arguments: means(*arguments) | {"made_up": VALUE})
    person = torch.arange(4).repeat(3)
    lists = Lists(person, torch.zeros(12, dtype=torch.int64), person.clone(), torch.ones(12, dtype=torch.int64))
    embedding = person[:, None].float()
    return scores.evaluate(Ranker(embedding, embedding, lists, Protocol(distance="euclidean")))


@pytest.fixture
def run(result, compose, tmp_path, capsys):
    """The folder of a run that scored it, and what was printed."""
    config = compose()
    named = {"row": "ward", "split_id": None, "average": ""}
    split = Split(name="ward", train=(), query=(), gallery=())
    folder = tmp_path / "0_run"
    record(Run(folder), config, {}, [result_row(split, result, named, precision="32", seconds=1.0)])
    return SimpleNamespace(folder=folder, printed=capsys.readouterr().out)


@pytest.fixture
def report(run):
    """The report of a table that has published the score."""
    spec = {
        "title": "A table", "source": "Somebody", "metrics": ["made_up"], "unit": "percent", "across": {"dataset": {"ward": {}}, "seed": [0]},
    }  # fmt: skip
    row = {"name": "A", "published": {"ward": {"made_up": 30.0}}}
    cell = {"row": 0, "label": "ward", "seed": 0, "training": str(run.folder), "folder": str(run.folder)}
    return report_of({
        "table": "a/b", "size": "paper", "command": "python", "spec": spec, "rows": [row], "seeds": [0], "recipes": [],
        "dimensions": {"dataset": ["ward"], "seed": ["0"]}, "cells": [cell],
    })  # fmt: skip


@pytest.fixture
def matrix():
    """A matrix with a cell that has the score."""
    values = {key: {"mean": VALUE, "sd": None, "n": 1} for key in ("mAP", "rank1", "made_up", "made_up_nd")}
    cell = {
        "source": "a", "target": "b", "method": "direct", "kind": "direct", "state": "done", "seeds": {"0": {}}, "scores": values,
        "difference": {}, "differs": [], "beside": None, "reason": "", "stamp": {}, "runs": [],
    }  # fmt: skip
    about = {
        "title": "A matrix",
        "seeds": [0],
        "command": "python",
        "written": "today",
        "methods": {"direct": "as it is"},
    }
    return about | {"sources": ["a"], "targets": ["b"], "cells": [cell]}


def test_every_score_of_an_evaluation_has_an_entry(result):
    assert {"rank1", "mAP_nd", "made_up", "made_up_nd"} <= set(result.scores)
    assert "mINP_nd" not in result.scores
    assert not [key for key in result.scores if catalogue.find(key) is None]


def test_files_and_printed_table_of_a_run(run):
    (row,) = json.loads((run.folder / "metrics.json").read_text())["results"]
    assert row["scores"]["made_up"] == row["scores"]["made_up_nd"] == VALUE
    assert "made-up" in run.printed
    assert "31.25" in run.printed


def test_page_of_a_run(run):
    page = run_page(
        run.folder, run.folder / "page.html", ThumbnailSize(width=8, height=16, quality=50), embed=True
    ).read_text()
    assert "made-up score<b>31.25 %</b>" in page
    assert "made-up score-nd<b>31.25 %</b>" in page


def test_report_of_a_table(report, tmp_path):
    assert "| ward made-up score % |" in tables.as_markdown(report)
    assert "30.0 | 31.2" in tables.as_markdown(report).replace("¦", "|")
    (line,) = csv.DictReader(io.StringIO(tables.as_csv(report)))
    assert (line["metric"], line["mean"]) == ("made_up", "31.25")
    assert "made-up score" in tables.as_latex(report)
    assert "made-up score" in table_page(report, tmp_path).read_text()


def test_report_of_a_multirun(run):
    (run.folder / "job.json").write_text("{}")
    report = sweeps.grouped(run.folder.parent)
    assert "made-up score %" in sweeps.as_markdown(report)
    assert "31.25" in sweeps.as_markdown(report)
    assert "made_up mean" in sweeps.as_csv(report)


@pytest.mark.usefixtures("result")
def test_matrix(matrix):
    assert "made-up score" in text.markdown(matrix)
    assert "made-up score-nd" in text.markdown(matrix)
    (line,) = csv.DictReader(io.StringIO(text.comma_separated(matrix)))
    assert line["made_up"] == line["made_up_nd"] == "31.25"


def test_figures(run, report, compose, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report))
    for words in (
        [f"runs={{A: {run.folder}}}", "figure=scores", "figure.metrics=[made_up]"],
        ["figure=table", f"report={tmp_path}/report.json"],
    ):
        config = compose(*words, config_name="figure")
        figure = instantiate(config.figure, _convert_="all")(config).figure
        labels = [each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
        assert any("made-up score" in label for label in labels)


def test_keys_that_loggers_get(result):
    logged = {}
    metric = SimpleNamespace(compute=lambda: result)
    model = SimpleNamespace(_begun=lambda: metric, log_dict=lambda scores, **_: logged.update(scores))
    RetrievalModel._finish(model, "test/ward")
    assert logged["test/ward/made_up"] == VALUE


@pytest.mark.usefixtures("result")
def test_dashboard():
    pytest.importorskip("wandb_workspaces", reason="the extra dashboards is not installed")
    spec = importlib.util.spec_from_file_location("wandb_dashboard", SCRIPT)
    dashboard = sys.modules["wandb_dashboard"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(dashboard)
        curves = dashboard.panels_of(["ward"])["Held-out persons"]
    finally:
        del sys.modules["wandb_dashboard"]
    assert "val/made_up" in [key for curve in curves for key in curve.y]


@pytest.mark.parametrize("key", ["made_up", "made_up_nd", "mad_up"])
@pytest.mark.usefixtures("result")
def test_file_of_a_table(key, tmp_path):
    table = {"metrics": [key], "unit": "percent", "across": {}, "rows": []}
    (tmp_path / "table.yaml").write_text(yaml.safe_dump({"table": table}))
    if key == "mad_up":
        with pytest.raises(TableError, match="no score 'mad_up'; did you mean made_up"):
            read_file(tmp_path / "table.yaml")
    else:
        assert read_file(tmp_path / "table.yaml")["metrics"] == [key]
