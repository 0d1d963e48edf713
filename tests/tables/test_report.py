"""Reports from made-up runs: means, differences, tolerances, and what is no reproduction."""

import json
import statistics
from pathlib import Path

import pytest
import yaml

from reid_lit.errors import InputError
from reid_lit.sweeps.report import as_markdown as multirun_markdown
from reid_lit.sweeps.report import grouped, report_multirun
from reid_lit.tables.differences import differences
from reid_lit.tables.report import report_of, write_report
from reid_lit.tables.report_text import as_csv, as_latex, as_markdown, remarks

STAMP = {"protocol": "market1501", "ap": "step", "distance": "cosine", "feature": "embedding", "camera_rule": "cross_camera",
         "test_time_augmentation": "none", "reranking": "none", "valid_queries": 3368, "images": {"query": 3368, "gallery": 19732}, "whole": True}  # fmt: skip
RECIPE = {"dataset": {"_target_": "reid_lit.data.sets.market1501.Market1501", "root": "${data_root}/m"}, "test_on": [],
          "loader": {"batch_size": 64}, "callbacks": {}, "model": {}, "trainer": {"devices": 1, "max_epochs": 120}}  # fmt: skip
SPEC = {
    "title": "Tricks & more", "source": "Table I", "metrics": ["rank1", "mAP", "R"], "unit": "percent",
    "across": {"dataset": {"market1501": {}}, "seed": [0, 1]}, "tolerance": {"rank1": 1.0, "mAP": 0.5}, "notes": ["a note"],
}  # fmt: skip
ROWS = [
    {"name": "A", "published": {"market1501": {"rank1": 94.5, "mAP": 85.9, "R": 0.589}}},
    {"name": "Quoted", "quoted": True, "published": {"market1501": {"rank1": 79.5}}},
    {"name": "Waits", "waiting": "not built", "published": {"market1501": {"mAP": 84.0}}},
    {"name": "Same", "same_as": "strong/table1/A", "published": {"market1501": {"mAP": 85.4}}},
]


def write_run(folder, rank1, mean_ap, *, config=RECIPE, whole=True, **more):
    folder.mkdir(parents=True)
    stamp = STAMP | {"whole": whole}
    if whole is None:
        del stamp["whole"]
    row = {"dataset": "market1501", "scores": {"rank1": rank1, "mAP": mean_ap, "R": 0.6}, "stamp": stamp}
    (folder / "metrics.json").write_text(json.dumps({"train_seconds": 7200, "results": [row]} | more))
    config = config | {"dataset": config["dataset"] | {"root": "/data/m"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "environment.json").write_text(json.dumps([{"gpus": ["H100", "H100"], "machine": "Linux", "threads": 4}]))


@pytest.fixture
def made(tmp_path):
    def make(*, size="paper", config=RECIPE, whole=True, scores=((0.94, 0.86), (0.95, 0.87)), seeds=(0, 1)):
        for seed, (rank1, mean_ap) in zip(seeds, scores, strict=False):
            write_run(tmp_path / f"run{seed}", rank1, mean_ap, config=config, whole=whole)
        cells = [
            {"row": 0, "label": "market1501", "seed": seed, "training": str(tmp_path / f"run{seed}"), "folder": str(tmp_path / f"run{seed}")}
            for seed in seeds
        ]  # fmt: skip
        return {
            "table": "strong/table1", "size": size, "command": "python", "table_dir": str(tmp_path), "overrides": [],
            "seeds": list(seeds), "spec": SPEC | {"rows": ROWS}, "rows": ROWS,
            "dimensions": {"dataset": ["market1501"], "seed": ["0", "1"]},
            "recipes": [{"row": 0, "label": "market1501", "config": RECIPE}], "cells": cells,
        }  # fmt: skip

    return make


def cell(report, row=0):
    return report["rows"][row]["cells"]["market1501"]


def test_mean_deviation_difference_and_tolerance(made):
    found = cell(report_of(made()))
    assert found["ours"]["mAP"] == {
        "mean": pytest.approx(86.5),
        "sd": pytest.approx(statistics.stdev([86, 87])),
        "n": 2,
    }
    assert found["ours"]["R"]["mean"] == pytest.approx(0.6)  # a ratio, not a percentage
    assert found["difference"] == {"rank1": pytest.approx(0.0), "mAP": pytest.approx(0.6), "R": pytest.approx(0.011)}
    assert found["inside"] == {"rank1": True, "mAP": False, "R": None}
    assert (found["state"], found["reproduction"], found["hours"], found["machine"]) == ("done", True, 2.0, "2 × H100")
    assert found["stamp"]["ap"] == "step"


def test_how_far_splits_lie_apart_is_said_below_the_table(made):
    plan = made()
    for seed, deviation in ((0, 0.02), (1, 0.03)):
        file = Path(plan["cells"][seed]["folder"]) / "metrics.json"
        metrics = json.loads(file.read_text())
        metrics["results"][0] |= {"splits": [0, 1, 2], "deviations": {"rank1": deviation, "mAP": 0.01, "R": 0.2}}
        file.write_text(json.dumps(metrics))
    report = report_of(plan)
    assert cell(report)["splits"]["deviations"] == pytest.approx({"rank1": 2.5, "mAP": 1.0, "R": 0.2})
    assert any(
        line.startswith("A · market1501: mean over 3 splits, rank-1 ± 2.5, mAP ± 1.0") for line in remarks(report)
    )


def test_seeds_of_several_machines_are_told_apart(made):
    plan = made(seeds=(0, 1, 2), scores=((0.94, 0.86), (0.95, 0.87), (0.95, 0.87)))
    for seed, (gpus, precision) in enumerate([([], "32-true"), (["H100"], "bf16-mixed"), ([], "32-true")]):
        folder = Path(plan["cells"][seed]["folder"])
        (folder / "environment.json").write_text(json.dumps([{"gpus": gpus, "machine": "Linux", "threads": 4}]))
        config = RECIPE | {"trainer": RECIPE["trainer"] | {"precision": precision}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["results"][0]["stamp"]["precision"] = precision
        (folder / "metrics.json").write_text(json.dumps(metrics))
    plan["recipes"][0]["config"] = RECIPE | {"trainer": RECIPE["trainer"] | {"precision": "${cpu_precision:}"}}
    report = report_of(plan)
    found = cell(report)
    assert found["machine"] == "Linux, 4 threads, no GPU (seeds 0, 2); 1 × H100 (seed 1)"
    assert found["differs"][:2] == ["trainer.precision: 32-true (seeds 0, 2); bf16-mixed (seed 1)", "no GPU"]
    (line,) = [line for line in remarks(report) if line.startswith("A · market1501; Same · market1501: ")]
    assert "3368 queries, precision 32-true (seeds 0, 2); bf16-mixed (seed 1)." in line
    assert found["machine"] in line


def test_rows_that_are_not_run_are_shown_as_what_they_are(made):
    report = report_of(made())
    assert [row["status"] for row in report["rows"]] == ["run", "quoted", "waiting", "same_as"]
    assert cell(report, 1) == {
        "published": {"rank1": 79.5}, "ours": {}, "splits": {}, "difference": {}, "inside": {}, "state": "not run", "runs": [], "stamp": {},
        "hours": None, "machine": "", "differs": [], "reproduction": False,
    }  # fmt: skip
    assert report["rows"][2]["reason"] == "not built"
    assert cell(report, 3)["ours"] == cell(report, 0)["ours"]
    assert cell(report, 3)["difference"] == {"mAP": pytest.approx(1.1)}


@pytest.mark.parametrize(
    "changed",
    [
        {"size": "laptop"},
        {"size": "real"},
        {"config": RECIPE | {"dataset": {"_target_": "reid_lit.data.sets.synthetic.Synthetic"}}},
        {"config": RECIPE | {"test_on": ["synthetic"]}},
        {"config": RECIPE | {"trainer": RECIPE["trainer"] | {"limit_test_batches": 2}}},
        {"whole": False},
        {"whole": None},
        {"whole": [True, False]},
    ],
    ids=[
        "laptop",
        "real",
        "other data",
        "tested elsewhere",
        "limited",
        "cut",
        "of an earlier version",
        "one split cut",
    ],
)
def test_other_data_are_never_a_reproduction(made, changed):
    report = report_of(made(**changed))
    found = cell(report)
    assert found["ours"]["mAP"]["mean"] == pytest.approx(86.5)
    assert (found["reproduction"], found["difference"], found["inside"]) == (False, {}, {})
    texts = as_markdown(report) + as_latex(report)
    assert "inside" not in as_markdown(report).split("---")[1]
    assert "85.9 → 86.5" not in texts
    assert "no reproduction" in texts


@pytest.mark.parametrize(
    ("whole", "remark"),
    [(False, "not tested on the whole data set"), (None, "not known to be of the whole data set"), (True, "")],
)
def test_a_report_says_whether_the_test_was_whole(made, whole, remark):
    found = cell(report_of(made(whole=whole)))
    assert found["reproduction"] == (whole is True)
    assert remark in " ".join(found["differs"])
    assert bool(found["differs"]) == (whole is not True)


def test_a_part_that_has_moved_is_the_same_part(made):
    earlier = RECIPE | {"dataset": {"_target_": "reid_lit.data.market1501.Market1501"}}
    assert cell(report_of(made(config=earlier)))["reproduction"]


def test_a_row_in_part_done_and_one_not_begun(made):
    assert cell(report_of(made(scores=((0.9, 0.8),))))["state"] == "partly"
    assert cell(report_of(made(scores=(), seeds=(5,))))["state"] == "not run"


def test_what_differs_from_the_recipe_is_told_but_not_where_the_data_lie():
    config = RECIPE | {
        "dataset": RECIPE["dataset"] | {"root": "/here"}, "loader": {"batch_size": 32}, "trainer": {"devices": 2, "max_epochs": 120},
    }  # fmt: skip
    assert differences(RECIPE, config, []) == ["no GPU", "loader.batch_size: 64 → 32", "trainer.devices: 1 → 2"]
    assert differences(RECIPE, RECIPE, ["H100"]) == []


def test_the_files_of_a_report(made, tmp_path):
    folder = tmp_path / "strong" / "table1"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(made()))
    report = write_report(folder)
    assert {file.name for file in folder.iterdir()} >= {"report.json", "report.md", "report.csv", "report.tex"}
    assert json.loads((folder / "report.json").read_text()) == report
    line = next(line for line in (folder / "report.md").read_text().splitlines() if line.startswith("| A |"))
    assert line == (
        "| A | 94.5 → 94.5 ± 0.7 (n=2) [+0.0 inside] | 85.9 → 86.5 ± 0.7 (n=2) [+0.6 outside]"
        " | 0.589 → 0.600 ± 0.000 (n=2) [+0.011] |"
    )
    assert "a note" in (folder / "report.md").read_text()
    csv = as_csv(report).splitlines()
    assert csv[1].startswith("A,run,market1501,rank1,94.5,94.5,")
    tex = as_latex(report)
    assert r"\caption{Tricks \& more (Table I): published $\to$ ours}" in tex
    assert r"\toprule" in tex
    assert r"{94.5 $\to$ 94.5 $\pm$ 0.7 (n=2) [+0.0 inside]}" in tex


def write_job(folder, overrides, score=None):
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    if score is not None:
        row = {"dataset": "synthetic_plaza", "scores": {"rank1": score, "mAP": score / 2}, "stamp": STAMP}
        (folder / "metrics.json").write_text(json.dumps({"results": [row]}))
    else:
        (folder / "job.json").write_text(json.dumps({"state": "failed", "reason": "out of memory"}))


def test_a_multirun_is_grouped_by_what_varies(tmp_path):
    for number, (loss, seed, score) in enumerate(
        [("id", 0, 0.5), ("id", 1, 0.7), ("id_triplet", 0, 0.9), ("id_triplet", 1, None)]
    ):
        write_job(tmp_path / f"{number}_loss={loss}", ["+experiment=x", f"loss={loss}", f"seed={seed}"], score)
    report = grouped(tmp_path)
    assert report["varies"] == ["loss"]
    first, second = report["groups"]
    assert (first["settings"], first["seeds"]) == ({"loss": "id"}, ["0", "1"])
    assert first["scores"]["rank1"] == {
        "mean": pytest.approx(0.6),
        "sd": pytest.approx(statistics.stdev([0.5, 0.7])),
        "n": 2,
    }
    assert second["scores"]["mAP"] == {"mean": pytest.approx(0.45), "sd": None, "n": 1}
    (failed,) = report["failed"]
    assert failed.startswith("3_loss=id_triplet: failed: out of memory (log: ")
    assert "| id | synthetic_plaza | 2 | 60.00 ± 14.14 | 30.00 ± 7.07 |" in multirun_markdown(report)
    report_multirun(tmp_path)
    assert (tmp_path / "report.csv").read_text().startswith("loss,data set,n,rank1 mean")


def test_a_job_that_was_taken_up_again_stays_among_its_seeds(tmp_path):
    for seed, more in enumerate(([], ["resume=sweep/1", "trust=true"], ["resume=sweep/2"])):
        write_job(tmp_path / f"{seed}_seed={seed}", ["+experiment=x", f"seed={seed}", *more], 0.5)
    report = grouped(tmp_path)
    assert report["varies"] == []
    assert [group["seeds"] for group in report["groups"]] == [["0", "1", "2"]]


def test_a_folder_without_jobs_is_no_multirun(tmp_path):
    with pytest.raises(InputError, match="no jobs in"):
        grouped(tmp_path)
