import csv
import dataclasses
import io
import json

import pytest

from reid_lit.jobs.job import Job
from reid_lit.tables.jobs import Place
from reid_lit.tables.matrix import text
from reid_lit.tables.matrix.facts import matrix_facts
from reid_lit.tables.matrix.files import write_matrix
from reid_lit.tables.matrix.table import MatrixCell
from reid_lit.tables.matrix.words import Method, NamedDataset
from reid_lit.tables.spec import Cell

A, B, C = (NamedDataset(name=name, option=name) for name in "abc")
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


def place(folder, values, *, seed=0, within=None, **stamp):
    """A run with mAP and rank-1; None: it has not been run. ``within``: the training that an evaluation is of."""
    if values is not None:
        folder.mkdir(parents=True)
        mean, first = values
        scores = {"mAP": mean, "rank1": first, "mAP_nd": mean / 2}
        row = {"dataset": "made_up", "stamp": STAMP | stamp, "scores": scores}
        (folder / "metrics.json").write_text(json.dumps({"results": [row]}))
    training = Job(name=(within or folder).name, folder=within or folder, overrides=())
    evaluation = Job(name="a test", folder=folder, overrides=()) if within else None
    cell = Cell(row=0, label="", train=(), evaluate=())
    return Place(cell=cell, seed=seed, training=training, evaluation=evaluation, wanted=True)


@pytest.fixture
def made_up(tmp_path):
    """Two seeds from a: on b and on itself; c is missing."""
    direct = [place(tmp_path / "d0", (0.2, 0.4)), place(tmp_path / "d1", (0.3, 0.4), seed=1)]
    adapted = [place(tmp_path / "a0", (0.4, 0.5)), place(tmp_path / "a1", (0.5, 0.3), seed=1)]
    own = [
        place(tmp_path / "d0" / "evaluate" / "x", (0.8, 0.9), within=tmp_path / "d0"),
        place(tmp_path / "d1" / "evaluate" / "x", (0.9, 0.9), within=tmp_path / "d1", seed=1),
    ]
    return [
        MatrixCell(method=DIRECT, source=A, target=B, places=direct),
        MatrixCell(method=ADAPTED, source=A, target=B, places=adapted),
        MatrixCell(method=DIRECT, source=A, target=A, places=own),
        MatrixCell(method=DIRECT, source=A, target=C, places=[], reason="c: no images in /c"),
        MatrixCell(method=ADAPTED, source=A, target=C, places=[], reason="c: no images in /c"),
    ]


def test_numbers_are_means_and_deviations_over_seeds_and_points_over_direct(made_up):
    direct, adapted, own, missing, _ = matrix_facts(made_up, ABOUT)["cells"]
    assert direct["scores"]["mAP"] == pytest.approx({"mean": 0.25, "sd": 0.05 * 2**0.5, "n": 2})
    assert adapted["difference"] == pytest.approx({"mAP": 20.0, "rank1": 0.0, "mAP_nd": 10.0})
    assert (direct["difference"], own["difference"]) == ({}, {})
    assert own["kind"] == "supervised"
    assert own["scores"]["mAP"]["mean"] == pytest.approx(0.85)
    assert [run["folder"] for run in own["runs"]] == [f"{run['folder']}/evaluate/x" for run in direct["runs"]]
    assert (missing["state"], missing["reason"], missing["scores"]) == ("missing", "c: no images in /c", {})


def test_the_grid_is_in_percent_with_a_row_for_each_method_and_source(made_up):
    facts = matrix_facts(made_up, ABOUT)
    assert (facts["rows"], facts["columns"]) == (["direct from a", "adapted from a"], ["b", "a", "c"])
    assert facts["values"] == {
        "mAP": [[25.0, 85.0, None], [45.0, None, None]],
        "rank1": [[40.0, 90.0, None], [40.0, None, None]],
    }


def compared(direct, adapted):
    return [MatrixCell(method=m, source=A, target=B, places=p) for m, p in ((DIRECT, direct), (ADAPTED, adapted))]


def test_seeds_that_direct_transfer_lacks_are_left_out_of_the_difference(tmp_path):
    direct = [place(tmp_path / "d0", (0.2, 0.2)), place(tmp_path / "d1", None, seed=1)]
    adapted = [
        place(tmp_path / "a0", (0.3, 0.3)),
        place(tmp_path / "a1", (0.9, 0.9), seed=1, ap="trapezoid"),
    ]
    first, second = matrix_facts(compared(direct, adapted), ABOUT)["cells"]
    assert (first["state"], first["reason"]) == ("partly", "1 of 2 seeds")
    assert second["difference"]["mAP"] == pytest.approx(10.0)


def test_numbers_of_different_protocols_are_compared_under_a_note(tmp_path):
    cells = compared([place(tmp_path / "d0", (0.2, 0.2), ap="trapezoid")], [place(tmp_path / "a0", (0.3, 0.3))])
    notes = text.notes(matrix_facts(cells, ABOUT))
    assert notes == ["adapted, a → b: compared across protocols: ap: step here, trapezoid in direct"]


def test_a_failed_training_says_why_in_its_cell(tmp_path):
    failed = place(tmp_path / "d0", None)
    failed.training.folder.mkdir()
    (failed.training.folder / "job.json").write_text('{"name": "direct: a", "state": "failed", "reason": "boom"}')
    (cell,) = matrix_facts([MatrixCell(method=DIRECT, source=A, target=B, places=[failed])], ABOUT)["cells"]
    assert cell["state"] == "failed"
    assert cell["reason"].startswith("direct: a failed: boom (log: ")
    after = dataclasses.replace(place(tmp_path / "a0", None), before=(failed.training,))
    (cell,) = matrix_facts([MatrixCell(method=ADAPTED, source=A, target=B, places=[after])], ABOUT)["cells"]
    assert cell["reason"].startswith("direct: a failed: boom (log: ")


def test_the_files(made_up, tmp_path):
    facts = matrix_facts(made_up, ABOUT)
    write_matrix(tmp_path / "out", facts)
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
    cells = [MatrixCell(method=DIRECT, source=A, target=B, places=[place(tmp_path / "d0", None)])]
    write_matrix(tmp_path / "out", matrix_facts(cells, ABOUT))
    assert "– [not run]" in (tmp_path / "out" / "matrix.md").read_text()
    assert not (tmp_path / "out" / "matrix.png").exists()
