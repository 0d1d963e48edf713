"""Jobs that are submitted, to submitit's local executor and to programs that stand for SLURM's."""

import json
import os
import re
import sys

import pytest
from omegaconf import OmegaConf

from reid_lit.errors import InputError
from reid_lit.jobs.cluster import Cluster, ClusterRunner
from reid_lit.jobs.job import Job
from reid_lit.paths import packaged

STUB = """
import os, pathlib, sys
pairs = dict(a.partition("=")[::2] for a in sys.argv[1:])
folder = pathlib.Path((pairs.get("resume") or pairs["hydra.run.dir"]).strip('"'))
with (folder / "starts").open("a") as starts:
    starts.write(str(os.getpid()) + " " + os.environ.get("SLURM_JOB_ID", "-") + chr(10))
if pairs.get("fail"):
    sys.exit("it is broken")
(folder / "metrics.json").write_text("{}")
"""
SBATCH = f"""#!{sys.executable}
import os, pathlib, re, subprocess, sys
script = pathlib.Path(sys.argv[1]).read_text()
with open(os.environ["SUBMITTED"], "a") as file:
    file.write(script)
array = re.search(r"--array=0-(\\d+)", script)
for task in range(int(array[1]) + 1) if array else [None]:
    own = {{}} if task is None else {{"SLURM_ARRAY_JOB_ID": "700", "SLURM_ARRAY_TASK_ID": str(task)}}
    subprocess.Popen(["bash", "-c", script], env={{**os.environ, "SLURM_JOB_ID": str(700 + (task or 0)), **own}},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
print("Submitted batch job 700")
"""
SRUN = """#!/bin/sh
while :; do case "$1" in --output) shift 2;; -*) shift;; *) break;; esac; done
exec "$@"
"""
SACCT = """#!/bin/sh
echo "JobID|State|NodeList"
cat "$STATES" 2>/dev/null || true
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    (tmp_path / "stub_job.py").write_text(STUB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return lambda name, *overrides: Job(name=name, folder=tmp_path / name, overrides=overrides, module="stub_job")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Programs in the place of SLURM's; gives what was submitted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITTED", str(tmp_path / "submitted"))
    monkeypatch.setenv("STATES", str(tmp_path / "states"))
    monkeypatch.setattr("reid_lit.jobs.cluster._PAUSE", 0.05)
    return tmp_path / "submitted"


@pytest.fixture
def cluster():
    """The launcher's keys as YAML has them, and changes."""

    def made(**changes):
        keys = OmegaConf.to_container(OmegaConf.load(packaged("conf") / "hydra" / "launcher" / "slurm.yaml"))
        return Cluster(**{key: value for key, value in keys.items() if key != "_target_"} | changes)

    return made


def test_chains_become_an_array_and_are_reported_as_by_processes(job, slurm, cluster, tmp_path):
    asked = cluster(
        at_once=2, partition="gpu", account="us", qos="long", constraint="h100", exclude="n3", time_min=30, gpus_per_node=1, cpus_per_task=4,
        memory_gb=16, setup=["export SETUP=1"], more={"mail-type": "END"},
    )  # fmt: skip
    chains = [[job("a"), job("a_tested")], [job("b", "fail=1"), job("b_tested")], [job("c")]]
    told = []
    outcomes = ClusterRunner(asked, tmp_path / "submitit").run_all(chains, told.append)
    assert [(o.job.name, o.state) for o in outcomes] == [
        ("a", "done"), ("a_tested", "done"), ("b", "failed"), ("b_tested", "not run"), ("c", "done"),
    ]  # fmt: skip
    assert outcomes[2].reason == "it is broken"
    assert len(told) == 5
    script = slurm.read_text()
    for option in (
        "array=0-2%2", "partition=gpu", "account=us", "qos=long", "constraint=h100", "exclude=n3", "time=30", "gpus-per-node=1",
        "cpus-per-task=4", "mem=16GB", "nodes=1", "mail-type=END", "signal=USR1@90", "requeue",
    ):  # fmt: skip
        assert f"#SBATCH --{option}\n" in script
    assert "\nexport SETUP=1\n" in script
    pids = [int((j.folder / "starts").read_text().split()[0]) for j in (chains[0][0], chains[0][1], chains[2][0])]
    assert len(set(pids)) == 3
    assert (chains[0][0].folder / "starts").read_text().split()[1] == "-"  # a job starts ranks of its own
    ClusterRunner(asked, tmp_path / "submitit").run_all(chains[:1])
    assert slurm.read_text() == script  # what is finished is not submitted again


def test_what_is_submitted_and_has_not_ended_is_waited_for(job, slurm, cluster, tmp_path):
    waiting, files = job("a"), tmp_path / "submitit" / "%j"
    waiting.folder.mkdir()
    (waiting.folder / "submitted.json").write_text(json.dumps({"cluster": "slurm", "id": "55", "files": str(files)}))
    (tmp_path / "states").write_text("55|RUNNING|n1\n")
    result = tmp_path / "submitit" / "55" / "55_0_result.pkl"
    result.parent.mkdir(parents=True)
    result.touch()  # it ends at once
    (outcome,) = ClusterRunner(cluster(), tmp_path / "submitit").run_all([[waiting]])
    assert not slurm.exists()
    assert (outcome.state, outcome.reason[:37]) == ("failed", "what was submitted as 55 ended as RUN")
    (tmp_path / "states").write_text("55|TIMEOUT|n1\n")
    (outcome,) = ClusterRunner(cluster(), tmp_path / "submitit").run_all([[waiting]])
    assert outcome.state == "done"
    assert slurm.exists()


def test_what_another_command_did_not_submit_is_submitted_behind_it(job, slurm, cluster, tmp_path):
    """A training that another table has submitted is waited for; then come the evaluations that this one wants of it."""
    chain, files = [job("a"), job("a_tested")], tmp_path / "submitit" / "%j"
    result = tmp_path / "submitit" / "55" / "55_0_result.pkl"
    for place in (chain[0].folder, result.parent):
        place.mkdir(parents=True)
    (chain[0].folder / "submitted.json").write_text(json.dumps({"cluster": "slurm", "id": "55", "files": str(files)}))
    (tmp_path / "states").write_text("55|RUNNING|n1\n")
    result.touch()
    (chain[0].folder / "metrics.json").write_text("{}")  # the training has ended, and with it what was submitted
    told = []
    outcomes = ClusterRunner(cluster(), tmp_path / "submitit").run_all([chain], told.append)
    assert [(o.job.name, o.state) for o in outcomes] == [("a", "done"), ("a_tested", "done")]
    assert len(told) == 2
    assert slurm.exists()
    assert not (chain[0].folder / "starts").exists()  # the training is not repeated


def test_ranks_of_several_nodes_are_started_by_srun(job, slurm, cluster, tmp_path):
    asked = cluster(nodes=2, gpus_per_node=4)
    assert asked.srun() == ["srun", "--overlap", "--nodes=2", "--ntasks-per-node=4"]
    (outcome,) = ClusterRunner(asked, tmp_path / "submitit").run_all([[job("a")]])
    assert outcome.state == "done"
    assert (tmp_path / "a" / "starts").read_text().split()[1] == "700"  # its ranks read SLURM's variables
    script = slurm.read_text()
    assert "#SBATCH --nodes=2\n" in script
    assert re.search(r"^srun .*--nodes=1 --ntasks=1 ", script, re.MULTILINE)  # one process runs the jobs


def test_processes_of_this_machine_take_the_place_of_a_cluster(job, cluster, tmp_path):
    asked = cluster(cluster="local", at_once=1, time_min=5)
    chains = [[job("a")], [job("b", "fail=1")], [job("c")]]
    outcomes = ClusterRunner(asked, tmp_path / "submitit").run_all(chains)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "hydra.launcher.cluster=slurm: this machine has no sbatch; start the command on a login node"),
        ({"cluster": "pbs"}, "hydra.launcher.cluster=pbs: unknown; choose slurm or local"),
        ({"cluster": "local", "nodes": 2}, "hydra.launcher.nodes=2: cluster=local is this machine alone; give nodes=1"),
        ({"time_min": 1}, "hydra.launcher.notice_s=90: no less than the time of the job"),
    ],
)
def test_what_cannot_be_submitted_is_said_at_once(cluster, monkeypatch, changes, words):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match=f"^{re.escape(words)}"):
        cluster(**changes).check()
