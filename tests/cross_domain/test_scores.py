import csv
import io
import json

import pytest

from reid_lit.cross_domain import text
from reid_lit.cross_domain.plan import Cell, Training
from reid_lit.cross_domain.scores import matrix_facts
from reid_lit.cross_domain.words import Domain, Method
from reid_lit.cross_domain.write import write
from reid_lit.jobs.job import Job

A, B, C = (Domain(name=name, option=name) for name in "abc")
DIRECT = Method(name="direct", says="as it is", overrides=("dataset=<source>",))
ADAPTED = Method(name="adapted", says="adapted", overrides=("dataset=<target>",), beside="direct")
STAMP = {
    "protocol": "made up", "ap": "step", "gallery": "all images", "camera_rule": "standard", "distance": "cosine",
    "feature": "embedding", "test_time_augmentation": "none", "reranking": "none", "images": {"gallery": 9},
    "without_match": 0, "junk": 0, "distractors": 0, "valid_queries": 4,
}  # fmt: skip
ABOUT = {
    "title": "Across domains", "size": "paper", "command": "python -m reid_lit.matrix", "written": "today", "seeds": [0, 1],
    "sources": ["a"], "targets": ["b", "a", "c"], "methods": {"direct": "as it is", "adapted": "adapted"},
    "direct": ["direct"], "lacking": {},
}  # fmt: skip


def training(folder, values, targets, **stamp):
    """A run with (mAP, rank-1) on each target; None: it has not been run."""
    job = Job(name=folder.name, folder=folder, overrides=("seed=0",))
    if values is not None:
        folder.mkdir()
        facts = {"tests": {domain.name: domain.name for domain in targets}, "protocol": {}}
        (folder / "job.json").write_text(json.dumps({"facts": facts, "state": "done"}))
        rows = [
            {
                "dataset": domain.name,
                "stamp": STAMP | stamp,
                "scores": {"mAP": mean, "rank1": first, "mAP_nd": mean / 2},
            }
            for domain, (mean, first) in zip(targets, values, strict=True)
        ]
        (folder / "metrics.json").write_text(json.dumps({"results": rows}))
    return Training(job=job, protocol={}, overrides=(), start=None, targets=list(targets))


@pytest.fixture
def made_up(tmp_path):
    """Two seeds from a: on b and on itself; c lacks."""
    on = (B, A)
    direct = {
        0: training(tmp_path / "d0", [(0.2, 0.4), (0.8, 0.9)], on),
        1: training(tmp_path / "d1", [(0.3, 0.4), (0.9, 0.9)], on),
    }
    adapted = {0: training(tmp_path / "a0", [(0.4, 0.5)], [B]), 1: training(tmp_path / "a1", [(0.5, 0.3)], [B])}
    return [
        Cell(method=DIRECT, source=A, target=B, trainings=direct),
        Cell(method=ADAPTED, source=A, target=B, trainings=adapted),
        Cell(method=DIRECT, source=A, target=A, trainings=direct),
        Cell(method=DIRECT, source=A, target=C, trainings={}, reason="c: no images in /c"),
        Cell(method=ADAPTED, source=A, target=C, trainings={}, reason="c: no images in /c"),
    ]


def test_numbers_are_means_and_deviations_over_seeds_and_points_over_direct(made_up):
    direct, adapted, own, missing, _ = matrix_facts(made_up, ABOUT)["cells"]
    assert direct["scores"]["mAP"] == pytest.approx({"mean": 0.25, "sd": 0.05 * 2**0.5, "n": 2})
    assert adapted["difference"] == pytest.approx({"mAP": 20.0, "rank1": 0.0, "mAP_nd": 10.0})
    assert (direct["difference"], own["difference"]) == ({}, {})
    assert own["kind"] == "supervised"
    assert own["scores"]["mAP"]["mean"] == pytest.approx(0.85)  # that of the very same runs
    assert {run["folder"] for run in own["runs"]} == {run["folder"] for run in direct["runs"]}
    assert (missing["state"], missing["reason"], missing["scores"]) == ("missing", "c: no images in /c", {})


def test_the_grid_is_in_percent_with_a_row_for_each_method_and_source(made_up):
    facts = matrix_facts(made_up, ABOUT)
    assert (facts["rows"], facts["columns"]) == (["direct from a", "adapted from a"], ["b", "a", "c"])
    assert facts["values"] == {
        "mAP": [[25.0, 85.0, None], [45.0, None, None]],
        "rank1": [[40.0, 90.0, None], [40.0, None, None]],
    }


def test_seeds_that_direct_transfer_lacks_are_left_out_of_the_difference(tmp_path):
    direct = {0: training(tmp_path / "d0", [(0.2, 0.2)], [B]), 1: training(tmp_path / "d1", None, [B])}
    adapted = {
        0: training(tmp_path / "a0", [(0.3, 0.3)], [B]),
        1: training(tmp_path / "a1", [(0.9, 0.9)], [B], ap="trapezoid"),
    }
    cells = [Cell(method=m, source=A, target=B, trainings=t) for m, t in ((DIRECT, direct), (ADAPTED, adapted))]
    first, second = matrix_facts(cells, ABOUT)["cells"]
    assert (first["state"], first["reason"]) == ("partly", "1 of 2 seeds")
    assert second["difference"]["mAP"] == pytest.approx(10.0)


def test_numbers_of_different_protocols_are_compared_under_a_note(tmp_path):
    direct = {0: training(tmp_path / "d0", [(0.2, 0.2)], [B], ap="trapezoid")}
    adapted = {0: training(tmp_path / "a0", [(0.3, 0.3)], [B])}
    cells = [Cell(method=m, source=A, target=B, trainings=t) for m, t in ((DIRECT, direct), (ADAPTED, adapted))]
    notes = text.notes(matrix_facts(cells, ABOUT))
    assert notes == ["adapted, a → b: compared across protocols: ap: step here, trapezoid in direct"]


def test_a_failed_training_says_why_in_its_cell(tmp_path):
    failed = training(tmp_path / "d0", None, [B])
    failed.job.folder.mkdir()
    (failed.job.folder / "job.json").write_text('{"name": "direct: a", "state": "failed", "reason": "boom"}')
    (cell,) = matrix_facts([Cell(method=DIRECT, source=A, target=B, trainings={0: failed})], ABOUT)["cells"]
    assert cell["state"] == "failed"
    assert cell["reason"].startswith("direct: a failed: boom (log: ")


def test_the_files(made_up, tmp_path):
    facts = matrix_facts(made_up, ABOUT)
    write(tmp_path / "out", facts)
    assert json.loads((tmp_path / "out" / "matrix.json").read_text()) == json.loads(json.dumps(facts))
    lines = (tmp_path / "out" / "matrix.md").read_text().splitlines()
    assert "| adapted | 45.0 ± 7.1 / 40.0 ± 14.1 (+20.0 / +0.0) |" in lines
    assert "| direct | 85.0 ± 7.1 / 90.0 ± 0.0 supervised |" in lines
    assert "| adapted | – (the source is the target) |" in lines
    assert "| direct | – [missing] |" in lines
    assert lines.count("- left empty: c: no images in /c") == 1
    assert lines.index("| direct | 25.0 ± 7.1 / 40.0 ± 0.0 |") < lines.index(
        "| adapted | 45.0 ± 7.1 / 40.0 ± 14.1 (+20.0 / +0.0) |"
    )
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "matrix.csv").read_text())))
    assert [rows[1][key] for key in ("method", "mAP", "mAP_sd", "mAP_difference", "beside")] == [
        "adapted",
        "45.00",
        "7.07",
        "20.00",
        "direct",
    ]
    assert rows[3]["reason"] == "c: no images in /c"
    page = (tmp_path / "out" / "matrix.html").read_text()
    assert "45.0 ± 7.1 / 40.0 ± 14.1" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert (tmp_path / "out" / "matrix.png").read_bytes()[:4] == b"\x89PNG"


def test_before_the_first_number_there_is_a_table_without_a_picture(tmp_path):
    cells = [Cell(method=DIRECT, source=A, target=B, trainings={0: training(tmp_path / "d0", None, [B])})]
    write(tmp_path / "out", matrix_facts(cells, ABOUT))
    assert "– [not run]" in (tmp_path / "out" / "matrix.md").read_text()
    assert not (tmp_path / "out" / "matrix.png").exists()
