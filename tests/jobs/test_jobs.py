"""Jobs as processes of their own, with a stub in place of the command."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reid_lit.errors import InputError
from reid_lit.jobs import runner
from reid_lit.jobs.job import Job, failures, last_words, not_tried, recorded
from reid_lit.jobs.lock import give_back, take
from reid_lit.jobs.runner import Runner
from reid_lit.jobs.turn import TurnOver, continued, slurm_job

STUB = """
import json, os, pathlib, sys, time
pairs = dict(a.partition("=")[::2] for a in sys.argv[1:])
folder = pathlib.Path((pairs.get("resume") or pairs["hydra.run.dir"]).strip('"'))
(folder / ".hydra").mkdir(parents=True, exist_ok=True)
(folder / ".hydra" / "overrides.yaml").write_text("[]")
with (folder / "starts").open("a") as starts:
    starts.write(("resume" if "resume" in pairs else "new") + " " + os.environ.get("CUDA_VISIBLE_DEVICES", "-") + chr(10))
(folder / "variables").write_text(json.dumps(sorted(os.environ)))
if pairs.get("fail") and "fixed" not in os.listdir():
    sys.exit("it is broken")
if pairs.get("wait") and "resume" not in pairs:
    time.sleep(float(pairs["wait"]))
(folder / "metrics.json").write_text("{}")
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    (tmp_path / "stub_job.py").write_text(STUB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return lambda name, *overrides, **more: Job(
        name=name, folder=tmp_path / name, overrides=overrides, module="stub_job", **more
    )


def starts(job):
    return (job.folder / "starts").read_text().split("\n")[:-1]


def test_a_failing_job_stops_its_own_chain_alone_and_is_named_with_its_log(stub, tmp_path):
    chains = [[stub("a")], [stub("b", "fail=1"), stub("b_tested")], [stub("c")]]
    told = []
    outcomes = Runner().run_all(chains, told.append)
    assert [(o.job.name, o.state) for o in outcomes] == [
        ("a", "done"), ("b", "failed"), ("b_tested", "not run"), ("c", "done"),
    ]  # fmt: skip
    assert len(told) == 4
    (line,) = failures(outcomes)
    assert line == f"b: failed: it is broken (log: {tmp_path / 'b' / 'job.log'})"
    (tmp_path / "fixed").touch()
    assert [o.state for o in Runner().run_all(chains)] == ["done"] * 4
    assert starts(chains[0][0]) == ["new -"]  # what was finished is not repeated
    assert starts(chains[1][0]) == ["new -", "resume -"]


def test_a_job_is_none_of_torchruns_ranks(stub, monkeypatch):
    ranks = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK")
    sizes = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "ROLE_NAME")
    places = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE", "SLURM_NTASKS")
    for name in (*ranks, *sizes, *places, "LOCAL_FOLDER"):
        monkeypatch.setenv(name, "1")
    assert Runner().run(stub("alone")).state == "done"
    variables = set(json.loads(Path("alone", "variables").read_text()))
    assert not variables & {*ranks, *sizes, *places}
    assert variables >= {"LOCAL_FOLDER", "PYTHONPATH"}


def test_jobs_beside_each_other_get_a_gpu_each_but_one_of_the_whole_machine_runs_alone(stub, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    jobs = [stub(f"j{n}", "wait=0.5") for n in range(2)]
    Runner(at_once=2, gpus=["3", "5"]).run_all([[job] for job in jobs])
    assert {starts(job)[0] for job in jobs} == {"new 3", "new 5"}
    whole = stub("whole", whole_machine=True)
    Runner(at_once=2, gpus=["3", "5"]).run_all([[whole]])
    assert starts(whole) == ["new -"]


SWEEP = """
import sys, pathlib
from reid_lit.jobs.job import Job
from reid_lit.jobs.runner import Runner
folder = pathlib.Path(sys.argv[1])
Runner().run_all([[Job(name=n, folder=folder / n, overrides=("wait=" + w,), module="stub_job")] for n, w in (("a", "0"), ("b", sys.argv[2]))])
"""


@pytest.mark.parametrize("orphan", [False, True], ids=["with its job", "alone"])
def test_a_sweep_killed_in_the_middle_goes_on_without_repeating(stub, tmp_path, orphan):
    command = [sys.executable, "-c", SWEEP, str(tmp_path), "1.5" if orphan else "60"]
    process = subprocess.Popen(command)
    second = tmp_path / "b" / "starts"
    deadline = time.monotonic() + 60
    while not second.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    jobs = [stub("a", "wait=0"), stub("b", f"wait={command[-1]}")]
    assert [job.state() for job in jobs] == ["done", "running"]  # it lives on, and is not started beside itself
    if not orphan:
        (pid,) = [
            int(p.name)
            for p in Path("/proc").iterdir()
            if p.name.isdecimal() and f"{tmp_path / 'b'}".encode() in cmdline(p)
        ]
        os.kill(pid, signal.SIGKILL)
        while jobs[1].state() == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert jobs[1].state() == "killed"
    outcomes = Runner().run_all([[job] for job in jobs])
    assert [o.state for o in outcomes] == ["done", "done"]
    assert starts(jobs[0]) == ["new -"]
    assert starts(jobs[1]) == (["new -"] if orphan else ["new -", "resume -"])


def cmdline(process):
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_the_record_of_a_job_tells_each_start(stub):
    job = stub("a", facts={"seed": 3})
    Runner().run(job)
    record = recorded(job.folder)
    assert (record["state"], record["facts"], len(record["starts"])) == ("done", {"seed": 3}, 1)
    assert record["starts"][0]["code"] == 0
    assert json.loads((job.folder / "job.json").read_text()) == record


def test_the_reason_of_a_failure_is_no_bar_of_progress(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("ValueError: batch of one\n\nEpoch 0:  50%|█████     | 5/10 [00:01<00:01,  4.2it/s]\n# noqa\n")
    assert last_words(log) == "ValueError: batch of one"


SHARED = """
import logging, sys, pathlib
from reid_lit.jobs.job import Job
from reid_lit.jobs.runner import Runner
folder = pathlib.Path(sys.argv[1])
jobs = [Job(name=f"j{n}", folder=folder / f"j{n}", overrides=("wait=0.3", *(["fail=1"] if n == 5 else [])), module="stub_job") for n in range(8)]
outcomes = Runner().run_all([[job] for job in jobs])
print(*(outcome.state for outcome in outcomes))
print(*(outcome.job.name for outcome in outcomes if outcome.seconds))
"""


def test_two_launchers_on_one_folder_share_the_work(stub, tmp_path):
    """Every job is run once, by one of them, also the one that fails; both know how all of them ended."""
    both = [
        subprocess.Popen([sys.executable, "-c", SHARED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [each.communicate(timeout=120)[0].splitlines() for each in both]
    wanted = " ".join("failed" if n == 5 else "done" for n in range(8))
    assert [lines[0] for lines in told] == [wanted, wanted]
    ran = [set(lines[1].split()) for lines in told]
    assert ran[0] | ran[1] == {f"j{n}" for n in range(8)}
    assert not ran[0] & ran[1]
    assert all(len(names) >= 2 for names in ran)  # the second one took free jobs and did not wait for the first
    assert [starts(stub(f"j{n}")) for n in range(8)] == [["new -"]] * 8


def test_the_job_of_another_launcher_is_left_for_the_end(stub, tmp_path):
    held = stub("a")
    held.folder.mkdir()
    lock = take(held.folder)
    threading.Timer(1.5, give_back, [lock]).start()
    told = []
    outcomes = Runner().run_all([[held], [stub("b")], [stub("c")]], told.append)
    assert [outcome.job.name for outcome in told] == ["b", "c", "a"]
    assert [outcome.state for outcome in outcomes] == ["done"] * 3


SIGNALLED = """
import json, os, pathlib, signal, sys, time
pairs = dict(a.partition("=")[::2] for a in sys.argv[1:])
folder = pathlib.Path((pairs.get("resume") or pairs["hydra.run.dir"]).strip('"'))
(folder / ".hydra").mkdir(parents=True, exist_ok=True)
(folder / ".hydra" / "overrides.yaml").write_text("[]")
def stop(*_):
    (folder / "saved").touch()
    sys.exit(138)
signal.signal(signal.SIGUSR1, stop)
with (folder / "starts").open("a") as starts:
    starts.write(("resume" if "resume" in pairs else "new") + " " + os.environ.get("SLURM_JOB_ID", "-") + chr(10))
if "resume" not in pairs and folder.name == "a":
    time.sleep(60)
(folder / "metrics.json").write_text("{}")
"""

UNTIL_OVER = """
import sys, pathlib
from reid_lit.jobs.job import Job
from reid_lit.jobs.runner import Runner
from reid_lit.jobs.turn import turn
folder = pathlib.Path(sys.argv[1])
with turn():
    jobs = [Job(name=n, folder=folder / n, overrides=(), module="stub_job") for n in "ab"]
    Runner().run_all([[job] for job in jobs])
    print("all done")
"""


def test_sigusr1_saves_the_running_job_and_requeues_once(stub, tmp_path, monkeypatch):
    """The job saves and ends, no other one begins, SLURM is asked once; the next turn goes on with it."""
    (tmp_path / "stub_job.py").write_text(SIGNALLED)
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    environment = {**os.environ, "PATH": f"{scontrol.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "17"}
    command = [sys.executable, "-c", UNTIL_OVER, str(tmp_path)]
    process = subprocess.Popen(command, env=environment)
    job = stub("a")
    deadline = time.monotonic() + 60
    while not (job.folder / "starts").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(60) == 138
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
    assert (job.folder / "saved").is_file()
    assert (job.state(), stub("b").state()) == ("killed", "not run")
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert again.stdout == "all done\n"
    assert starts(job) == ["new -", "resume -"]  # a job does not see SLURM's variables, and so asks for nothing
    assert (tmp_path / "asked").read_text() == "requeue 17\n"


def test_no_other_turn_is_asked_for_where_nothing_is_left(stub, monkeypatch):
    Runner().run_all([[stub("a")]])
    monkeypatch.setattr(runner, "is_over", lambda: True)
    assert [outcome.state for outcome in Runner().run_all([[stub("a")]])] == ["done"]
    with pytest.raises(TurnOver):
        Runner().run_all([[stub("a")], [stub("b")]])
    assert stub("b").state() == "not run"


def test_the_tasks_of_a_job_array_are_requeued_by_their_own_names(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "19")
    assert slurm_job() == "19"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "17")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert slurm_job() == "17_2"


def test_a_requeued_job_goes_on_with_the_run_of_its_first_turn(tmp_path, monkeypatch):
    words = ["+experiment=a", f"hydra.run.dir={tmp_path}", "seed=1"]
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert continued(words) == words  # it was killed before it began
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").touch()
    assert continued(words) == ["+experiment=a", "seed=1", f"resume={tmp_path}"]
    monkeypatch.setenv("SLURM_RESTART_COUNT", "0")
    assert continued(words) == words


def test_what_another_job_has_failed_for_is_not_tried(stub, tmp_path):
    def job(name, reason, *needs):
        (tmp_path / f"ends_{name}.py").write_text(f"import sys; sys.exit({reason!r})")
        return Job(name=name, folder=tmp_path / name, overrides=(), module=f"ends_{name}", resumable=False, needs=needs)

    gpu, data = ("machine.accelerator=gpu:",), ("missing: ", "/data/WARD")
    jobs = [
        job("first", "machine.accelerator=gpu: torch sees no GPU", gpu, data),
        job("shares", "unreached", gpu),
        job("other", "optimizer.lr=3: too fast", data),
        job("alone", "optimizer.lr=3: too fast", data),
        job("without", "missing: no such folder: /data/WARD; point", data),
        job("too", "unreached", data),
    ]
    outcomes = Runner().run_all([[each] for each in jobs])
    assert [outcome.state for outcome in outcomes] == ["failed", "not run", "failed", "failed", "failed", "not run"]
    assert not list((tmp_path / "shares").glob("job.log"))
    assert not_tried(outcomes) == "2 of 6 jobs were not tried: shares, too"
    assert not_tried(outcomes[:1]) == ""


@pytest.mark.parametrize("at_once", ["many", 0, "-1"])
def test_a_number_of_jobs_that_is_none_is_refused(at_once):
    with pytest.raises(InputError, match=f"hydra.launcher.at_once={at_once}: give the number of jobs"):
        runner.runner_of(at_once)
    with pytest.raises(InputError, match=r"hydra\.launcher\.at_once"):
        runner.devices_in_words(at_once, whole_machine=False)
