"""Run jobs as processes of their own, one after the other or side by side."""

import json
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from reid_lit.errors import InputError
from reid_lit.jobs.job import STATE, Job, Outcome, last_words, recorded
from reid_lit.jobs.lock import BEAT, beat, give_back, is_held, take
from reid_lit.jobs.turn import NO_TURN, STOPPED, TurnOver, is_over, telling
from reid_lit.paths import write_text

_log = logging.getLogger(__name__)

_RANKS = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK", "MASTER_", "TORCHELASTIC_", "SLURM_"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "ROLE_NAME"),
)
"""Variables of a process that is one of several (torchrun's, SLURM's): a job is none of those, it starts its own."""
_PATIENCE = 20.0  # seconds that a job has to end by itself after a request
_PAUSE = 0.3  # seconds before a job that another process runs is asked for again


class Runner:
    """Runs jobs, one after the other or several at once.

    Args:
        at_once: The number of jobs that run at once.
        gpus: Names of the GPUs that are dealt to jobs, as ``CUDA_VISIBLE_DEVICES`` takes them; one job, one GPU, in
            turn. None or a single one: jobs see what this process sees.
        before: Words before the command of each job, such as ``srun`` and its options, which gives it ranks.
    """

    def __init__(self, *, at_once: int = 1, gpus: Sequence[str] = (), before: Sequence[str] = ()) -> None:
        self.at_once = at_once
        self.gpus = tuple(gpus)
        self.before = tuple(before)
        self._stopped = threading.Event()
        self._processes: set[subprocess.Popen] = set()
        self._starts: dict[Path, int] = {}
        self._waited: set[Path] = set()
        self._failed: list[Outcome] = []

    def run_all(
        self, chains: Sequence[Sequence[Job]], after: Callable[[Outcome], object] | None = None
    ) -> list[Outcome]:
        """Run chains of jobs; in a chain each waits for the one before, and is not run when that fails.

        A job that is finished is not repeated, one that was killed goes on, one that fails stops only its own chain.
        Others that need what one has failed for (its data, a GPU, its weights) are not tried.
        One that another process runs is left to it: the next free one is taken, and at the end those of the others
        are waited for, or gone on with where the others are killed. So several machines share the work of a folder.

        Args:
            chains: The chains.
            after: Called in this thread with each outcome.

        Returns:
            The outcome of every job, in the order of ``chains``.

        Raises:
            KeyboardInterrupt: as soon as the running jobs have ended; the same call goes on from there.
            TurnOver: SIGUSR1 came, the running jobs have ended, and there is something left to do.
        """
        at_once = 1 if any(job.whole_machine for chain in chains for job in chain) else self.at_once
        slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(at_once):
            slots.put(slot)
        self._starts = {job.folder: _starts(job) for chain in chains for job in chain}
        outcomes: dict[int, list[Outcome]] = {}
        tell = after or nothing
        with ThreadPoolExecutor(at_once) as pool, telling(self._tell):
            running: dict[Future, int] = {
                pool.submit(self._chain, chain, slots): place for place, chain in enumerate(chains)
            }
            try:
                while running:
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        place = running.pop(future)
                        ended = future.result()
                        if ended is None:  # another process runs it; asked for again behind all others
                            running[pool.submit(self._chain, chains[place], slots, _PAUSE)] = place
                            continue
                        outcomes[place] = ended
                        for outcome in ended:
                            tell(outcome)
            except BaseException:
                self._stop()
                raise
        if is_over() and any(map(_is_unfinished, outcomes.values())):
            raise TurnOver
        return [outcome for place in range(len(chains)) for outcome in outcomes[place]]

    def _chain(self, chain: Sequence[Job], slots: "queue.SimpleQueue[int]", pause: float = 0.0) -> list[Outcome] | None:
        """The outcomes of a chain; None where another process runs one of its jobs."""
        slot = slots.get()
        outcomes: list[Outcome] = []
        try:
            self._stopped.wait(pause)
            for job in chain:
                stopped = (self._ending and not job.done) or any(outcome.state != "done" for outcome in outcomes)
                stopped = stopped or self._would_fail(job)
                outcome = Outcome(job, "not run") if stopped else self._run(job, slot)
                if outcome is None:
                    return None
                if outcome.state == "failed":
                    self._failed.append(outcome)
                outcomes.append(outcome)
        finally:
            slots.put(slot)
        return outcomes

    def _would_fail(self, job: Job) -> bool:
        """Whether another job has failed for lack of something that this one needs too."""
        for failed in [] if job.done else self._failed:
            if failed.job.folder != job.folder and (need := failed.job.lacks(failed.reason)) and need in job.needs:
                _log.info("%s: not tried, for it needs what %s lacks", job.name, failed.job.name)
                return True
        return False

    @property
    def _ending(self) -> bool:
        return self._stopped.is_set() or is_over()

    def run(self, job: Job, slot: int = 0) -> Outcome:
        """Run one job to its end; wait for another process that runs it.

        Args:
            job: The job.
            slot: Its place among those that run at once: which GPU it gets.

        Raises:
            KeyboardInterrupt: it was stopped while it waited.
            TurnOver: SIGUSR1 came.
        """
        with telling(self._tell):
            while (outcome := self._run(job, slot)) is None:
                if self._stopped.wait(_PAUSE):
                    raise KeyboardInterrupt
                if is_over():
                    raise TurnOver
        if is_over() and outcome.state != "done":
            raise TurnOver
        return outcome

    def _run(self, job: Job, slot: int) -> Outcome | None:
        """Run a job to its end; None where another process runs it."""
        job.folder.mkdir(parents=True, exist_ok=True)
        if job.done and not is_held(job.folder):  # its result is there, but not yet how long it took
            return Outcome(job, "done")
        lock = take(job.folder)
        if lock is None:
            if job.folder not in self._waited:
                _log.info("%s: another process runs it (%s)", job.name, job.log)
            self._waited.add(job.folder)
            return None
        try:
            return self._run_locked(job, slot, lock)
        finally:
            give_back(lock)

    def _run_locked(self, job: Job, slot: int, lock: IO[str]) -> Outcome:
        record = recorded(job.folder)
        if job.done:
            return Outcome(job, "done")
        if record.get("state") == "failed" and _starts(job) > self._starts.get(job.folder, _starts(job)):
            return Outcome(job, "failed", 0.0, record["reason"])  # in another process, meanwhile: once is enough
        command = [*self.before, *job.command()]
        starts = [*record.get("starts", []), {"time": _now(), "command": command}]
        record = {"name": job.name, "facts": dict(job.facts), "starts": starts}
        _record(job, record | {"state": "running"})
        _log.info("%s: begins; its log is %s", job.name, job.log)
        start = time.perf_counter()
        code = self._process(command, job, lock, self._environment(job, slot))
        seconds = round(time.perf_counter() - start, 3)
        state = "done" if code == 0 and job.done else "killed" if self._was_killed(code) else "failed"
        reason = "" if state == "done" else last_words(job.log) or f"it ended with code {code}"
        starts[-1] |= {"seconds": seconds, "code": code}
        _record(job, record | {"state": state, "reason": reason})
        return Outcome(job, state, seconds, reason)

    def _was_killed(self, code: int) -> bool:
        return self._stopped.is_set() or code < 0 or code in (STOPPED, 128 + signal.SIGTERM, 128 + signal.SIGINT)

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
        if is_over():  # it came while the process was made
            process.send_signal(signal.SIGUSR1)
        try:
            while True:
                try:
                    return process.wait(BEAT)
                except subprocess.TimeoutExpired:
                    beat(lock)
        except BaseException:
            self._stop()
            raise
        finally:
            self._processes.discard(process)

    def _environment(self, job: Job, slot: int) -> dict[str, str]:
        ranks = () if self.before else _RANKS
        alone = {key: value for key, value in os.environ.items() if not key.startswith(ranks)} | {NO_TURN: "1"}
        if len(self.gpus) < 2 or job.whole_machine:
            return alone
        return {**alone, "CUDA_VISIBLE_DEVICES": self.gpus[slot % len(self.gpus)]}

    def _tell(self) -> None:
        """Pass SIGUSR1 on; a job tells its own ranks."""
        for process in list(self._processes):
            process.send_signal(signal.SIGUSR1)

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


def devices_in_words(at_once: int | str, *, whole_machine: bool) -> str:
    """How many jobs run at once on which devices, for a plan; torch is not imported where files tell the GPUs.

    Args:
        at_once: As :func:`runner_of` takes it.
        whole_machine: Whether there is a job that uses all GPUs.
    """
    files = sorted(Path("/dev").glob("nvidia[0-9]*"))
    others = [Path("/dev") / name for name in ("kfd", "dxg", "nvhost-gpu") if (Path("/dev") / name).exists()]
    counted = not files and bool(others)  # an AMD GPU, Windows' or a Jetson's: torch alone can tell
    named = "CUDA_VISIBLE_DEVICES" in os.environ
    gpus = visible_gpus() if named or counted else [file.name.removeprefix("nvidia") for file in files]
    number = _number_of(at_once, gpus)
    if whole_machine:
        return f"Jobs run one after another, each on all devices of this machine ({len(gpus)} GPUs)."
    where = (
        f"GPU {', '.join(gpus)}, a job each"
        if len(gpus) > 1
        else f"GPU {gpus[0]}"
        if gpus
        else "its processor (no GPU)"
    )
    return f"{'Jobs run one after another' if number == 1 else f'{number} jobs run at once'} on this machine: {where}."


def runner_of(at_once: int | str) -> Runner:
    """A runner of ``at_once`` jobs at a time; ``auto``: one for each GPU.

    Raises:
        InputError: ``at_once`` is neither a number nor ``auto``.
    """
    gpus = visible_gpus()
    return Runner(at_once=_number_of(at_once, gpus), gpus=gpus)


def _number_of(at_once: int | str, gpus: Sequence[str]) -> int:
    if at_once == "auto":
        return max(1, len(gpus))
    if not str(at_once).isdecimal() or int(at_once) < 1:
        raise InputError(f"hydra.launcher.at_once={at_once}: give the number of jobs that run at once, or auto")
    return int(at_once)


def nothing(outcome: Outcome) -> None:
    """What is done with an outcome by those who ask for nothing."""


def log_outcome(outcome: Outcome, place: int, number: int) -> None:
    """Log how a job ended, and how many of all have."""
    took = f" in {outcome.seconds / 60:.1f} min" if outcome.seconds else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    _log.info("%d of %d: %s: %s%s%s", place, number, outcome.job.name, outcome.state, took, reason)


def _is_unfinished(chain: Sequence[Outcome]) -> bool:
    """Whether another turn would go on with a chain; one that failed would fail again."""
    states = {outcome.state for outcome in chain}
    return "failed" not in states and states != {"done"}


def _starts(job: Job) -> int:
    """How often a job was started."""
    return len(recorded(job.folder).get("starts", []))


def _record(job: Job, content: Mapping[str, Any]) -> None:
    write_text(job.folder / STATE, json.dumps(content, indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
