import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reid_lit.command.signals import words

TRAIN = [
    "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[32,16]", "loader.batch_size=8", "trainer.max_epochs=500",
    "machine.progress_bar=false", "hydra.run.dir=run",
]  # fmt: skip
NUMBERS = {"SIGTERM": 143, "SIGINT": 130}


def started(*arguments, cwd, module="reid_lit.train"):
    """The command as a process group of its own, as a shell starts it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(file: Path, process):
    while not file.exists() and process.poll() is None:
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workers"), [("SIGTERM", 0), ("SIGINT", 2)])
def test_a_training_that_is_stopped_says_how_it_goes_on(drawn, tmp_path, name, workers):
    process = started(*TRAIN, f"machine.workers={workers}", f"data_root={drawn}", cwd=tmp_path)
    wait_for(tmp_path / "run" / "checkpoints" / "last.ckpt", process)
    os.killpg(process.pid, getattr(signal, name))  # Ctrl-C reaches the whole group
    said, _ = process.communicate(timeout=60)
    assert process.returncode == NUMBERS[name], said
    assert "Traceback" not in said, said
    last = said.strip().splitlines()[-1]
    assert last.startswith(f"stopped by {'Ctrl-C' if name == 'SIGINT' else name}; python -m reid_lit.train resume=")
    assert last.endswith("goes on after the last whole epoch")


@pytest.mark.slow
@pytest.mark.parametrize("name", NUMBERS)
def test_a_training_that_has_hardly_begun_ends_in_a_line(drawn, tmp_path, name):
    process = started(*TRAIN, "machine.workers=0", f"data_root={drawn}", cwd=tmp_path)
    wait_for(tmp_path / "run" / ".hydra", process)
    os.killpg(process.pid, getattr(signal, name))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == NUMBERS[name], said
    assert "Traceback" not in said, said
    assert "stopped by" in said


SWALLOWED = """
import os, signal, time
from reid_lit.command import signals
signals._ASKED_AGAIN = 0.2
class Careless:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
with signals.stopping():
    Careless()
    for _ in range(100):
        time.sleep(0.1)
"""


def test_an_exception_that_a_finaliser_swallows_is_raised_again():
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 143
    assert "stopped by SIGTERM" in done.stderr


WORKER = """
import os, signal, traceback
from reid_lit.command import signals
with signals.stopping():
    worker = os.fork()
    if not worker:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            traceback.print_exc()  # as the thread of a queue does
        os._exit(7)
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))
"""


def test_a_worker_that_ctrl_c_reaches_goes_on_in_silence():
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7
    assert not done.stderr


def test_what_was_not_started_in_a_run_is_simply_done_again(tmp_path):
    assert "the same command again" in words(signal.SIGTERM, None)
    assert "the same command again" in words(signal.SIGINT, tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    assert f"resume={tmp_path} goes on" in words(signal.SIGINT, tmp_path)
    blank = tmp_path.with_name("my run")
    tmp_path.rename(blank)
    assert f"""python -m reid_lit.train 'resume="{blank}"' goes on""" in words(signal.SIGINT, blank)


def test_a_closed_connection_says_nothing_in_a_worker_and_all_in_the_command():
    code = """
import os, sys
from reid_lit.command.signals import stopping
with stopping():
    if child := os.fork():
        os.waitpid(child, 0)
    for error in (BrokenPipeError("closed"), ValueError("wrong")):
        sys.excepthook(type(error), error, None)
    if not child:
        os._exit(0)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines() == ["ValueError: wrong", "BrokenPipeError: closed", "ValueError: wrong"]
