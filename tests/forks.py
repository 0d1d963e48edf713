"""Starts commands of ours for tests: a process that has imported torch and Lightning once forks for each command.

What a test starts is a process of its own, with its own folder, environment, output and exit code, as
``python -m reid_lit.<name>`` is; only the libraries (none of ours) are there already, which takes six seconds less.
"""

import atexit
import gc
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

LIBRARIES = (
    "hydra",
    "torch",
    "torchmetrics",
    "pytorch_lightning",
    "timm",
    "wandb",
    "matplotlib.pyplot",
    "sklearn.cluster",
    "cv2",
)


def import_libraries() -> None:
    """Import them."""
    for library in LIBRARIES:
        __import__(library)


class Forks:
    """The process that forks; made once for each worker of a test session."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        folder: Path,
        seconds: int,
    ) -> subprocess.CompletedProcess:
        """Run ``python -m module arguments`` to its end; it is killed after ``seconds``.

        Args:
            folder: Where its output is kept.
        """
        output = [str(folder / name) for name in ("stdout", "stderr")]
        asked = {"module": module, "arguments": [*arguments], "cwd": str(cwd), "environment": {**environment}}
        self.process.stdin.write(json.dumps(asked | {"output": output, "seconds": seconds}) + "\n")
        self.process.stdin.flush()
        code = json.loads(self.process.stdout.readline())
        stdout, stderr = (Path(file).read_text(errors="replace") for file in output)
        return subprocess.CompletedProcess([module, *arguments], code, stdout, stderr)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def serve() -> None:
    """Fork for every line that comes in; answer with its exit code."""
    import_libraries()
    gc.freeze()  # a child that looks for garbage would copy the libraries' memory
    answers = os.fdopen(os.dup(1), "w")
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            answers.close()
            _become(asked)
        answers.write(f"{_wait(child, asked['seconds'])}\n")
        answers.flush()
    os._exit(0)


def _wait(child: int, seconds: int) -> int:
    """The exit code of a child, as :mod:`subprocess` has it; it and all that it started are killed when time is up."""
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.alarm(seconds)
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    return os.waitstatus_to_exitcode(status)


def _become(asked: dict) -> None:
    """Run the command in this process, and end it."""
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number, file in enumerate(asked["output"], 1):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open until the process ends, as the two below
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    sys.path[0] = asked["cwd"]
    sys.argv = [asked["module"], *asked["arguments"]]
    random.seed()
    code = 1
    try:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if isinstance(stop.code, str):
            sys.stderr.write(f"{stop.code}\n")
    except BaseException:
        traceback.print_exc()
    _end(code)


def _end(code: int) -> None:
    """End this process as Python does, but for taking the libraries apart, which would copy their memory."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
