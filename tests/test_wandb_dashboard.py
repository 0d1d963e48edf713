"""What the dashboards would send to W&B, compared with what runs log."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from tests.script_modules import script

pytest.importorskip("wandb_workspaces", reason="the extra dashboards is not installed")
SCRIPT = Path(__file__).parents[1] / "scripts" / "wandb_dashboard.py"
TESTED = ("synthetic_plaza",)


@pytest.fixture(scope="module")
def dashboard():
    with script("wandb_dashboard") as module:
        yield module


@pytest.fixture
def sent(dashboard, monkeypatch, tmp_path, capsys):
    """The specifications that are written without an account, by name."""

    def run(*arguments):
        monkeypatch.setenv("WANDB_MODE", "offline")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["wandb_dashboard.py", *arguments])
        dashboard.main()
        assert "Nothing was sent: WANDB_MODE is offline" in capsys.readouterr().out
        return {file.stem: json.loads(file.read_text()) for file in (tmp_path / "dashboards").glob("*.json")}

    return run


def values(node, key):
    """Everything that stands under ``key``, anywhere."""
    if isinstance(node, dict):
        yield from ([node[key]] if key in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from values(each, key)


def test_a_workspace_for_each_paper_and_a_report_for_each_table(sent, dashboard):
    names = dashboard.table_names()
    made = sent("--entity", "someone")
    assert {name for name in made if name[0] == "r"} == {f"report_{name.replace('/', '_')}" for name in names}
    assert {name for name in made if name[0] == "w"} == {f"workspace_{name.partition('/')[0]}" for name in names}
    view = made["workspace_strong"]
    assert (view["entity"], view["project"]) == ("someone", "reid_lit")
    (runs,) = view["spec"]["section"]["runSets"]
    (only,) = runs["filters"]["filters"]
    assert (only["key"], only["op"], only["value"]) == ({"section": "config", "name": "paper"}, "=", "strong")
    assert [group["name"] for group in runs["grouping"]] == ["table.value", "row.value", "trained_on.value"]
    sections = [each["name"] for each in view["spec"]["section"]["panelBankConfig"]["sections"]]
    assert sections[:2] == ["Results", "Training"]
    assert {"Ranked lists", "Failure cases", "Norms of the features", "System"} <= set(sections)


def test_the_filters_name_keys_that_every_run_has(sent, compose):
    config = compose("logger=wandb").logger.wandb.config
    made = sent("strong/table1")
    keys = {each["name"] for spec in made.values() for each in values(spec, "key") if each.get("section") == "config"}
    groups = {
        each["name"].removesuffix(".value")
        for spec in made.values()
        for part in values(spec, "grouping")
        for each in part
    }
    assert {"table", "row", "trained_on", "paper"} == keys | groups
    assert keys | groups <= set(config)


def test_a_report_shows_the_runs_of_its_table(sent):
    made = sent("strong/table1")
    filters = [each for each in values(made["report_strong_table1"], "filters") if isinstance(each, list)]
    pairs = [(each["key"]["name"], each["value"]) for found in filters for each in found if "key" in each]
    assert pairs
    assert set(pairs) == {("paper", "strong"), ("table", "table1")}  # as a table's jobs label their runs


def test_every_panel_shows_what_runs_log(sent, trained):
    """Of a softmax run; the Strong Baseline's losses and optimizer are looked up in their options."""
    folder, _ = trained
    header = set((folder / "log" / "metrics.csv").read_text().splitlines()[0].split(","))
    made = sent("strong/table1", "--datasets", *TESTED)
    shown = {key for spec in made.values() for part in values(spec, "metrics") for key in part}
    drawn = {key for spec in made.values() for part in values(spec, "mediaKeys") for key in part}
    shown = {key for key in shown if not key.startswith("system/")}
    loss = yaml.safe_load((SCRIPT.parents[1] / "conf" / "loss" / "id_triplet.yaml").read_text())["terms"]
    later = {f"train/{name}" for name in (*loss, "center")} | {"lr-Adam/head", "lr-Adam/backbone"}
    validated = {key.replace("test/synthetic_plaza", "val") for key in header if key.startswith("test/synthetic_plaza")}
    assert {"train/loss", "train/accuracy", "lr-SGD/head", "test/synthetic_plaza/mAP"} <= shown & header
    assert shown <= header | later | validated
    pictures = {f"{data}/{file.stem}" for data in TESTED for file in (folder / "pictures" / data).glob("*.png")}
    assert {"synthetic_plaza/ranked_lists", "synthetic_plaza/failures"} <= drawn <= pictures | {"figures/norms"}


def test_the_table_has_the_published_figures_and_ours_where_they_are_measured(sent, tmp_path):
    cells = {
        "market1501": {"ours": {"rank1": {"mean": 94.02, "sd": 0.25, "n": 3}}, "reproduction": True},
        "dukemtmc": {"ours": {"rank1": {"mean": 11.0, "sd": 0.1, "n": 3}}, "reproduction": False},
    }
    folder = tmp_path / "tables" / "strong" / "table1"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"rows": [{"name": "+BNNeck", "cells": cells}]}))
    made = sent("strong/table1")
    (text,) = [each for each in values(made["report_strong_table1"], "content") if "+BNNeck" in str(each)]
    (row,) = [line for line in text.splitlines() if line.startswith("| +BNNeck")]
    assert re.split(r" *\| *", row)[2:6] == ["94.1 → 94.02 ± 0.25", "85.7", "86.2", "75.9"]
    assert "| Baseline-S | 87.7 | 74.0 | 79.7 | 63.7 |" in text
