"""Run jobs as processes of their own, one after the other or side by side."""

import fcntl
import json
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from typing import IO, Any

from reid_lit.jobs.job import LOCK, STATE, Job, Outcome, last_words, recorded
from reid_lit.paths import write_text

_log = logging.getLogger(__name__)

_RANKS = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK", "MASTER_", "TORCHELASTIC_", "SLURM_"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "ROLE_NAME"),
)
"""Variables of a process that is one of several (torchrun's, SLURM's): a job is none of those, it starts its own."""
_PATIENCE = 20.0  # seconds that a job has to end by itself after a request


class Runner:
    """Runs jobs, one after the other or several at once.

    Args:
        at_once: The number of jobs that run at once.
        gpus: Names of the GPUs that are dealt to jobs, as ``CUDA_VISIBLE_DEVICES`` takes them; one job, one GPU, in
            turn. None or a single one: jobs see what this process sees.
    """

    def __init__(self, *, at_once: int = 1, gpus: Sequence[str] = ()) -> None:
        self.at_once = at_once
        self.gpus = tuple(gpus)
        self._stopped = threading.Event()
        self._processes: set[subprocess.Popen] = set()

    def run_all(
        self, chains: Sequence[Sequence[Job]], after: Callable[[Outcome], object] | None = None
    ) -> list[Outcome]:
        """Run chains of jobs; in a chain each waits for the one before, and is not run when that fails.

        A job that is finished is not repeated, one that was killed goes on, one that fails stops only its own chain.

        Args:
            chains: The chains.
            after: Called in this thread with each outcome.

        Returns:
            The outcome of every job, in the order of ``chains``.

        Raises:
            KeyboardInterrupt: as soon as the running jobs have ended; the same call goes on from there.
        """
        at_once = 1 if any(job.whole_machine for chain in chains for job in chain) else self.at_once
        slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(at_once):
            slots.put(slot)
        outcomes: dict[int, list[Outcome]] = {}
        with ThreadPoolExecutor(at_once) as pool:
            places = {pool.submit(self._chain, chain, slots): place for place, chain in enumerate(chains)}
            try:
                for future in as_completed(places):
                    outcomes[places[future]] = future.result()
                    if after is not None:
                        for outcome in future.result():
                            after(outcome)
            except BaseException:
                self._stop()
                raise
        return [outcome for place in range(len(chains)) for outcome in outcomes[place]]

    def _chain(self, chain: Sequence[Job], slots: "queue.SimpleQueue[int]") -> list[Outcome]:
        slot = slots.get()
        outcomes: list[Outcome] = []
        try:
            for job in chain:
                stopped = self._stopped.is_set() or any(outcome.state != "done" for outcome in outcomes)
                outcomes.append(Outcome(job, "not run") if stopped else self.run(job, slot))
        finally:
            slots.put(slot)
        return outcomes

    def run(self, job: Job, slot: int = 0) -> Outcome:
        """Run one job to its end; wait for another process that runs it.

        Args:
            job: The job.
            slot: Its place among those that run at once: which GPU it gets.
        """
        job.folder.mkdir(parents=True, exist_ok=True)
        with (job.folder / LOCK).open("a") as lock:
            self._hold(lock, job)
            if job.done:
                return Outcome(job, "done")
            record = recorded(job.folder)
            command = job.command()
            starts = [*record.get("starts", []), {"time": _now(), "command": command}]
            record = {"name": job.name, "facts": dict(job.facts), "starts": starts}
            _record(job, record | {"state": "running"})
            _log.info("%s: begins; its log is %s", job.name, job.log)
            start = time.perf_counter()
            code = self._process(command, job, lock, self._environment(job, slot))
            seconds = round(time.perf_counter() - start, 1)
            state = "done" if code == 0 and job.done else "killed" if self._stopped.is_set() or code < 0 else "failed"
            reason = "" if state == "done" else last_words(job.log) or f"it ended with code {code}"
            starts[-1] |= {"seconds": seconds, "code": code}
            _record(job, record | {"state": state, "reason": reason})
        return Outcome(job, state, seconds, reason)

    def _hold(self, lock: IO[str], job: Job) -> None:
        """Wait until no other process runs the job: a killed sweep's job may still run, and sweeps share trainings."""
        logged = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not logged:
                    _log.info("%s: another process runs it; waiting for that (%s)", job.name, job.log)
                logged = True
                if self._stopped.wait(0.2):
                    raise KeyboardInterrupt from None
            else:
                return

    def _process(self, command: Sequence[str], job: Job, lock: IO[str], environment: Mapping[str, str]) -> int:
        """The exit code; the process holds the lock too, so that it stays when this process is killed."""
        with job.log.open("a") as log:
            log.write(f"# {_now()} {' '.join(command)}\n")
            log.flush()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=dict(environment),
                pass_fds=[lock.fileno()], start_new_session=True,
            )  # fmt: skip
        self._processes.add(process)
        try:
            return process.wait()
        except BaseException:
            self._stop()
            raise
        finally:
            self._processes.discard(process)

    def _environment(self, job: Job, slot: int) -> dict[str, str]:
        alone = {key: value for key, value in os.environ.items() if not key.startswith(_RANKS)}
        if len(self.gpus) < 2 or job.whole_machine:
            return alone
        return {**alone, "CUDA_VISIBLE_DEVICES": self.gpus[slot % len(self.gpus)]}

    def _stop(self) -> None:
        """End the running jobs: first by a request, then by force."""
        self._stopped.set()
        for process in (running := list(self._processes)):
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)


def visible_gpus() -> list[str]:
    """The GPUs that this process sees, as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    import torch  # takes seconds; needed only where there are GPUs to deal

    return [str(index) for index in range(torch.cuda.device_count())]


def runner_of(at_once: int | str) -> Runner:
    """A runner of ``at_once`` jobs at a time; ``auto``: one for each GPU."""
    gpus = visible_gpus()
    return Runner(at_once=max(1, len(gpus)) if at_once == "auto" else int(at_once), gpus=gpus)


def log_outcome(outcome: Outcome, place: int, number: int) -> None:
    """Log how a job ended, and how many of all have."""
    took = f" in {outcome.seconds / 60:.1f} min" if outcome.seconds else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    _log.info("%d of %d: %s: %s%s%s", place, number, outcome.job.name, outcome.state, took, reason)


def _record(job: Job, content: Mapping[str, Any]) -> None:
    write_text(job.folder / STATE, json.dumps(content, indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
