"""SIGUSR1, which SLURM sends before the time of a job is over (``--signal=USR1@90``): stop, and ask for another turn.

A training stops where it can go on bit for bit (:mod:`reid_lit.callbacks.turn`). A process that runs jobs tells each
of them, waits for their end and begins no other one. Then the process to which SLURM gave its variables asks for
another turn, once: ``scontrol requeue``. What it runs is told by a variable of its own not to ask.
"""

import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reid_lit.overrides import key_of, unquoted, value_of
from reid_lit.progress import first_rank

_log = logging.getLogger(__name__)

STOPPED = 128 + signal.SIGUSR1
"""The exit code of a process that stopped because its time was over."""

NO_TURN = "REID_NO_TURN"
"""Set in the environment of a job whose runner asks for another turn."""

_over = threading.Event()
_told: list[Callable[[], object]] = []


class TurnOver(SystemExit):
    """The time is over, and what is done is on the disk; the same command goes on from there.

    Args:
        again: Whether another turn would come further.
    """

    def __init__(self, *, again: bool = True) -> None:
        super().__init__(STOPPED if first_rank() else 0)  # Lightning kills all ranks when one ends with another code
        self.again = again


def is_over() -> bool:
    """Whether SIGUSR1 has come."""
    return _over.is_set()


@contextmanager
def turn() -> Iterator[None]:
    """Listen to SIGUSR1 in the main thread; when what is done within stops for it, ask SLURM for another turn.

    Raises:
        TurnOver: it did stop.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, _hear)
    try:
        yield
    except TurnOver as over:
        if first_rank() and over.again and NO_TURN not in os.environ:
            _requeue()
        raise


@contextmanager
def telling(tell: Callable[[], object]) -> Iterator[None]:
    """Within it, ``tell`` is called when SIGUSR1 comes."""
    _told.append(tell)
    try:
        yield
    finally:
        _told.remove(tell)


def _hear(*_: object) -> None:
    _over.set()
    for tell in tuple(_told):
        tell()


def continued(words: Sequence[str]) -> list[str]:
    """The words of a command line; in a requeued SLURM job, ``hydra.run.dir=<folder>`` goes on with the run there."""
    folders = [value_of(word) for word in words if key_of(word) == "hydra.run.dir"]
    begun = bool(folders) and (Path(unquoted(folders[-1])) / ".hydra" / "overrides.yaml").is_file()
    if os.environ.get("SLURM_RESTART_COUNT", "0") == "0" or not begun:
        return list(words)
    return [*(word for word in words if key_of(word) != "hydra.run.dir"), f"resume={folders[-1]}"]


def slurm_job() -> str:
    """The id of the SLURM job that this process is in, ``<job>`` or ``<array>_<task>``; empty outside of one."""
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "")


def _requeue() -> None:
    job = slurm_job()
    if not job:
        _log.warning("stopped by SIGUSR1, outside of a SLURM job; the same command, or resume=<folder>, goes on")
        return
    if shutil.which("scontrol") is None:
        _log.error("stopped by SIGUSR1, but there is no scontrol to requeue SLURM job %s; submit it again", job)
        return
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if done.returncode:
        _log.error("scontrol requeue %s failed (%s); submit it again", job, (done.stderr or done.stdout).strip())
    else:
        _log.warning("SLURM job %s: saved, and requeued", job)
