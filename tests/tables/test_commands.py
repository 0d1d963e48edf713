"""The commands of tables as a user starts them: what they import, and a table that is run."""

import json
import subprocess
import sys

import pytest

from reid_lit.jobs.job import Job, Outcome
from reid_lit.tables.plan import Chain
from reid_lit.tables.sweep import finish, launch_chains, run_chains

HEAVY = ("torch", "pytorch_lightning", "matplotlib")
RUN = f"""
import runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
print("heavy:", [name for name in {HEAVY} if name in sys.modules])
"""


@pytest.mark.parametrize(
    "words",
    [
        ("reid_lit.train", "+table=softmax/table1", "size=laptop", "plan=true"),
        ("reid_lit.report", "softmax/table1", "size=laptop", "table_dir=results"),
    ],
)
def test_a_plan_and_a_report_import_no_network(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_jobs_that_were_not_run_are_no_success(tmp_path):
    """Those of a submission that died, those behind a training that ended badly, and those that another process runs."""
    dies, ends, runs = (
        Chain(tuple(Job(name=name + part, folder=tmp_path / (name + part), overrides=()) for part in ("", "_tested")))
        for name in ("dies", "ends", "runs")
    )
    ends.training.folder.mkdir()
    (ends.training.folder / "metrics.json").write_text("{}")  # its command ended with another code behind them
    states = {"dies": "failed", "ends": "failed", "runs": "done", "runs_tested": "running"}

    class Runner:
        def run_all(self, chains, after):
            for job in (job for chain in chains for job in chain):
                after(Outcome(job, states.get(job.name, "not run"), 0.0, "ended as NODE_FAIL"))

    outcomes = run_chains([dies, ends, runs], Runner(), lambda _: None)
    with pytest.raises(SystemExit) as told:
        finish(outcomes)
    assert str(told.value).splitlines() == [
        "5 of 6 jobs are not done; the same command goes on with them",
        f"  dies: failed: ended as NODE_FAIL (log: {tmp_path}/dies/job.log)",
        f"  ends: failed: ended as NODE_FAIL (log: {tmp_path}/ends/job.log)",
        f"  runs_tested: still running (log: {tmp_path}/runs_tested/job.log)",
        "  2 of 6 jobs were not tried: dies_tested, ends_tested",
    ]
    finish([outcome for outcome in outcomes if outcome.state == "done"])


def test_a_launcher_that_starts_nothing_is_no_success(tmp_path):
    class Launcher:
        def launch(self, launches, initial_job_idx):
            """Return at once, as one does whose workers die."""

    chain = Chain((Job(name="dies", folder=tmp_path / "dies", overrides=()),))
    with pytest.raises(SystemExit, match=r"1 of 1 jobs are not done(.|\n)*were not tried: dies"):
        finish(launch_chains([chain], Launcher(), tmp_path))


@pytest.mark.slow
def test_a_table_is_run_and_reported(command, drawn, tmp_path):
    words = (
        "+table=strong/table1", "size=laptop", "rows=1", "seed=3", f"data_root={drawn}", "transform.size=[32,16]",
        "trainer.max_epochs=1", "machine.workers=0", "~callbacks.pictures", "backbone=resnet18_scratch",
    )  # fmt: skip
    command(*words, cwd=tmp_path)
    folder = tmp_path / "tables" / "strong" / "table1-laptop"
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["overrides"][-1] == "backbone=resnet18_scratch"
    (wanted,) = [cell for cell in plan["cells"] if cell["asked"]]
    assert wanted["folder"].startswith(f"{wanted['training']}/evaluate/")
    report = json.loads((folder / "report.json").read_text())
    (cell,) = [cell for cell in report["rows"][0]["cells"].values() if cell["ours"]]
    assert cell["state"] == "done"
    (run,) = cell["runs"]
    row = json.loads((tmp_path / run / "metrics.json").read_text())["results"][0]
    assert cell["ours"]["mAP"]["mean"] == pytest.approx(100 * row["scores"]["mAP"])
    assert not cell["reproduction"]
    again = command(*words, "plan=true", cwd=tmp_path)
    assert "1 number from 2 jobs: 1 training, 1 evaluation; 2 done." in again.stdout


WORDS = (
    "+table=strong/table1", "size=laptop", "rows=1", "transform.size=[32,16]", "trainer.max_epochs=1", "machine.workers=0",
    "~callbacks.pictures", "backbone=resnet18_scratch",
)  # fmt: skip


@pytest.mark.slow
def test_a_table_of_two_ranks_is_submitted_and_reported(command, drawn, tmp_path):
    """Submitit's local executor runs what SLURM would; killed jobs, a second command and the report are as ever."""
    words = (
        *WORDS, "seed=3", f"data_root={drawn}", "machine=ddp", "machine.accelerator=cpu", "machine.devices=2",
        "hydra/launcher=slurm", "hydra.launcher.cluster=local", "hydra.launcher.time_min=10",
    )  # fmt: skip
    command(*words, cwd=tmp_path)
    report = json.loads((tmp_path / "tables/strong/table1-laptop/report.json").read_text())
    (cell,) = [cell for cell in report["rows"][0]["cells"].values() if cell["ours"]]
    assert cell["state"] == "done"
    (log,) = (tmp_path / "tables/trainings").glob("*/job.log")
    assert "MEMBER: 2/2" in log.read_text()
    state = json.loads(log.with_name("job.json").read_text())
    assert len(state["starts"]) == 1
    command(*words, cwd=tmp_path)
    assert json.loads(log.with_name("job.json").read_text()) == state


def test_a_machine_without_slurm_says_so_in_one_line(command, tmp_path):
    done = command(*WORDS, "hydra/launcher=slurm", cwd=tmp_path, check=False, environment={"PATH": "/nowhere"})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("hydra.launcher.cluster=slurm: this machine has no sbatch;")
    assert "hydra/launcher=process" in line


@pytest.mark.slow
def test_two_commands_at_once_share_a_table(drawn, tmp_path):
    """Every training is made once, by one of them; both end with the whole report."""
    words = [sys.executable, "-m", "reid_lit.train", *WORDS, f"data_root={drawn}"]
    words[words.index("rows=1")] = "rows=1,7"
    both = [subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]  # fmt: skip
    told = [each.communicate(timeout=400)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], told
    records = [json.loads(file.read_text()) for file in (tmp_path / "tables/trainings").glob("**/job.json")]
    assert len(records) > 2
    assert {(record["state"], len(record["starts"])) for record in records} == {("done", 1)}
    tables = [text.rpartition("Influence of each trick")[2] for text in told]
    assert tables[0] == tables[1]
