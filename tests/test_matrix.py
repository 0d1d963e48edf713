import dataclasses
import importlib
import json
import re
import shutil

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from reid_lit.jobs.job import Outcome
from reid_lit.matrix import matrix, reworded
from reid_lit.tables.matrix import run as running
from reid_lit.tables.matrix.command import reword_matrix

TINY = ("size=laptop", "sizes.laptop.datasets.plaza.size=tiny", "sizes.laptop.datasets.campus.size=tiny")


def launcher(name):
    """A launcher of ours, as Hydra has loaded it."""
    return getattr(importlib.import_module("hydra_plugins.reid_lit_tables"), name)


def test_what_is_no_key_of_the_matrix_goes_to_every_training():
    words = [
        "sources=plaza,campus",
        "seed=[0,1]",
        "data_root=/d",
        "+experiment=x",
        "~callbacks.pictures",
        'name="a b"',
        "plan=true",
    ]
    hydras = reword_matrix(words)
    assert hydras[:-1] == ["sources=[plaza,campus]", "seed=[0,1]", "data_root=/d", "plan=true"]
    handed = OverridesParser.create().parse_override(hydras[-1])
    assert handed.value() == ["data_root=/d", "+experiment=x", "~callbacks.pictures", 'name="a b"']
    assert reword_matrix(["--help", "hydra.verbose=true"]) == ["--help", "hydra.verbose=true"]
    *_, command = reworded(['name="a b"'])
    assert OverridesParser.create().parse_override(command).value() == """python -m reid_lit.matrix 'name="a b"'"""


@pytest.fixture
def config(compose, drawn, tmp_path):
    def make(*overrides):
        words = (
            *TINY,
            f"data_root={drawn}",
            f"output={tmp_path / 'out'}",
            f"trainings={tmp_path / 'trainings'}",
            *overrides,
        )
        return compose(*reword_matrix(words), config_name="matrix")

    return make


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sources=[plasa]", "no data set 'plasa'; did you mean plaza"),
        ("methods=[embae_cams]", "no method 'embae_cams'; did you mean embae_cam"),
        ("size=labtop", "no size 'labtop'; did you mean laptop"),
        ("seed=[]", "name one source, target, method and seed"),
        ("trainer.max_epoch=1", "method direct: .*max_epoch"),
    ],
)
def test_unknown_words_are_said_before_anything_is_run(config, tmp_path, word, message):
    made = config("targets=[campus]", "methods=[direct]", *([] if word.startswith("size") else [word]))
    if word.startswith("size"):
        made.size = "labtop"
        made.sources = made.targets = made.methods = ["x"]
    with pytest.raises(SystemExit, match=message):
        matrix(made)
    assert not (tmp_path / "out").exists()


def test_a_plan_is_printed_and_nothing_is_run(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    matrix(config("sources=plaza", "targets=[campus,ward]", "methods=[arn,embae_fix]", "plan=true"))
    told = " ".join(capsys.readouterr().out.split())
    assert "4 numbers from 6 jobs: 6 trainings, 0 evaluations; 0 done." in told
    assert "arn_plaza_to_campus-" in told
    assert "left empty: ward: missing: WARD: no WARD/" in told
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "trainings").exists()


def test_the_launcher_of_the_command_line_runs_the_jobs(config, tmp_path, capsys, monkeypatch):
    stub, places = Stub(), []
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(launcher("SlurmLauncher"), "runner", lambda _, folder: places.append(folder) or stub)
    words = ("sources=plaza", "targets=[campus]", "methods=[arn]")
    matrix(config(*words, "hydra/launcher=slurm", "hydra.launcher.at_once=3"))
    assert (places, len(stub.ran)) == ([tmp_path / "out"], 2)
    assert "Jobs are submitted to slurm, at most 3 at once." in capsys.readouterr().out
    matrix(config(*words, "hydra.launcher.at_once=2", "plan=true"))
    assert "2 jobs run at once on this machine" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^hydra/launcher=basic: a matrix is run by a launcher of ours; give hydra/"):
        matrix(config(*words, "hydra/launcher=basic"))


class Stub:
    """In place of processes: writes what a command leaves, and counts."""

    def __init__(self, *, fails=()):
        self.fails, self.ran, self.tables = fails, [], []

    def run_all(self, chains, after):
        outcomes = [self.run(job) for chain in chains for job in chain]
        for outcome in outcomes:
            after(outcome)
        return outcomes

    def run(self, job):
        if job.done:
            return Outcome(job, "done")
        self.ran.append(job.name)
        failed = job.name.startswith(self.fails or "nothing")
        record = {"name": job.name, "facts": dict(job.facts), "state": "failed" if failed else "done", "reason": "boom"}
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / "job.json").write_text(json.dumps(record))
        if failed:
            return Outcome(job, "failed", 1.0, "boom")
        mean = 0.5 if job.name.startswith("arn") else 0.25
        row = {"dataset": "made_up", "scores": {"mAP": mean, "rank1": mean}, "stamp": {}}
        (job.folder / "metrics.json").write_text(json.dumps({"results": [row]}))
        return Outcome(job, "done", 1.0)


@pytest.fixture
def stubbed(monkeypatch):
    def put(**how):
        stub = Stub(**how)
        monkeypatch.setattr(launcher("ProcessLauncher"), "runner", lambda _, folder: stub)
        return stub

    return put


def trainings(stub):
    """The trainings that were run, without the hashes behind their names."""
    return [name.rpartition(" (")[0] for name in stub.ran if ", tested by" not in name]


def cells(tmp_path):
    found = json.loads((tmp_path / "out" / "matrix.json").read_text())["cells"]
    return {(cell["method"], cell["target"]): cell for cell in found}


def test_jobs_run_in_their_order_once_and_the_table_grows(config, stubbed, tmp_path, monkeypatch):
    stub = stubbed()
    grown = []
    wrote = running.write_matrix
    monkeypatch.setattr(
        running,
        "write_matrix",
        lambda folder, facts: (grown.append(sum(c["state"] == "done" for c in facts["cells"])), wrote(folder, facts)),
    )
    words = ("sources=plaza", "targets=[campus,plaza,ward]", "methods=[arn]")
    matrix(config(*words))
    assert trainings(stub) == ["direct_plaza seed 0", "arn_plaza_to_campus seed 0"]
    assert len(stub.ran) == 3  # and a test of the first on its own data set
    assert (grown[0], grown[-1]) == (0, 3)
    found = cells(tmp_path)
    assert found["arn", "campus"]["difference"]["mAP"] == pytest.approx(25.0)
    assert found["direct", "plaza"]["kind"] == "supervised"
    assert {found[method, "ward"]["state"] for method in ("direct", "arn")} == {"missing"}
    matrix(config(*words))
    assert len(stub.ran) == 3


def test_a_failing_training_leaves_out_what_goes_on_from_it_alone(config, stubbed, tmp_path, capsys):
    stub = stubbed(fails=("embae_start",))
    with pytest.raises(SystemExit, match=r"embae_start_plaza seed 0 .*: failed: boom \(log: "):
        matrix(config("sources=plaza", "targets=[campus]", "methods=[arn,embae_fix]"))
    assert trainings(stub) == ["direct_plaza seed 0", "embae_start_plaza seed 0", "arn_plaza_to_campus seed 0"]
    found = cells(tmp_path)
    assert found["arn", "campus"]["state"] == "done"
    assert found["embae_fix", "campus"]["state"] == "failed"
    assert "– [failed]" in capsys.readouterr().out
    assert re.match(r"embae_start_plaza seed 0 .* failed: boom", found["embae_fix", "campus"]["reason"])


def test_a_training_that_another_command_tests_otherwise_is_tested_by_this_one_too(config, stubbed, tmp_path):
    """Both begin together; the other one's training is waited for, and its own test is no result of this matrix."""
    stub = stubbed()
    stub.run = lambda job: Stub.run(stub, dataclasses.replace(job, facts={"test": "on another target"}))
    matrix(config("sources=plaza", "targets=[campus]", "methods=[direct]"))
    assert (trainings(stub), len(stub.ran)) == (["direct_plaza seed 0"], 2)
    (run,) = cells(tmp_path)["direct", "campus"]["runs"]
    assert "/evaluate/" in run["folder"]


@pytest.mark.slow
def test_a_matrix_of_the_synthetic_worlds_end_to_end(command, drawn, tmp_path):
    words = (
        *TINY, "sources=plaza", "targets=[campus,ward]", "methods=[arn]", f"data_root={drawn}", "transform.size=[32,16]",
        "trainer.max_epochs=1", "machine.workers=0", "~callbacks.pictures",
    )  # fmt: skip
    done = command(*words, cwd=tmp_path, module="reid_lit.matrix")
    found = json.loads((tmp_path / "matrix/laptop/matrix.json").read_text())
    at = {(cell["method"], cell["target"]): cell for cell in found["cells"]}
    direct, adapted = at["direct", "campus"], at["arn", "campus"]
    scores = json.loads((tmp_path / adapted["runs"][0]["folder"] / "metrics.json").read_text())["results"][0]["scores"]
    assert adapted["scores"]["mAP"]["mean"] == scores["mAP"]
    assert adapted["difference"]["mAP"] == pytest.approx(100 * (scores["mAP"] - direct["scores"]["mAP"]["mean"]))
    assert at["arn", "ward"]["state"] == "missing"
    assert "mAP / rank-1 in %, on campus" in done.stdout
    assert found["command"].endswith("'~callbacks.pictures'")
    shutil.rmtree(tmp_path / "tables")
