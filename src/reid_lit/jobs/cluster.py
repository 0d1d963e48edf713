"""Run chains of jobs as jobs of SLURM, by submitit: each of them on a node, each as a process of its own there."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError, MissingPackageError
from reid_lit.jobs.job import Job, Outcome, recorded
from reid_lit.jobs.runner import Runner, nothing
from reid_lit.jobs.turn import TurnOver, is_over, turn
from reid_lit.paths import write_text

_log = logging.getLogger(__name__)

SUBMITTED = "submitted.json"
_ALIVE = ("PENDING", "RUNNING", "REQUEUED", "COMPLETING", "CONFIGURING", "SUSPENDED", "READY")
_PAUSE = 1.0  # seconds between two looks at what was submitted


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where chains of jobs are submitted to, and what each of them asks for; null: what the cluster gives.

    Attributes:
        cluster: ``slurm``, or ``local``: submitit's own processes on this machine, which try everything but SLURM.
        at_once: Chains that run at once: SLURM's limit of a job array.
        time_min: Minutes until SLURM ends a job.
        notice_s: Seconds before that, when it gets SIGUSR1, saves and is requeued.
        nodes: Machines of a job; more than one for ``machine.num_nodes``.
        gpus_per_node: GPUs of each of them.
        cpus_per_task: Processor cores of each of them.
        memory_gb: Memory of each of them.
        partition: SLURM's.
        account: SLURM's.
        qos: SLURM's.
        constraint: SLURM's, such as a kind of GPU.
        exclude: Nodes that are not used.
        setup: Shell lines before the job, such as ``module load cuda``.
        more: Further options of sbatch by name.
    """

    cluster: str
    at_once: int
    time_min: int
    notice_s: int
    nodes: int
    gpus_per_node: int | None
    cpus_per_task: int | None
    memory_gb: float | None
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    exclude: str | None
    setup: Sequence[str]
    more: Mapping[str, Any]

    def check(self) -> None:
        """Raise unless jobs can be submitted.

        Raises:
            InputError: a value cannot be used, or this machine has no SLURM.
            MissingPackageError: submitit is not installed.
        """
        if self.cluster not in ("slurm", "local"):
            raise InputError(f"hydra.launcher.cluster={self.cluster}: unknown; choose slurm or local")
        if self.cluster == "local" and self.nodes > 1:
            raise InputError(f"hydra.launcher.nodes={self.nodes}: cluster=local is this machine alone; give nodes=1")
        if self.notice_s >= 60 * self.time_min:
            raise InputError(
                f"hydra.launcher.notice_s={self.notice_s}: no less than the time of the job; give fewer seconds, or"
                f" more than time_min={self.time_min}"
            )
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise InputError(
                "hydra.launcher.cluster=slurm: this machine has no sbatch; start the command on a login node of a SLURM"
                " cluster, or give hydra/launcher=process, which runs the jobs here"
            )
        _submitit()

    def srun(self) -> list[str]:
        """The words before the command of a job that start its ranks on all of its nodes; none for one node."""
        if self.nodes == 1:
            return []
        return ["srun", "--overlap", f"--nodes={self.nodes}", f"--ntasks-per-node={self.gpus_per_node or 1}"]

    def executor(self, folder: Path) -> Any:
        """Submitit's executor, which keeps its files in ``folder``."""
        general = {
            "name": "reid_lit",
            "timeout_min": self.time_min,
            "nodes": self.nodes,
            "tasks_per_node": 1,
            "gpus_per_node": self.gpus_per_node,
            "cpus_per_task": self.cpus_per_task,
            "mem_gb": self.memory_gb,
            "stderr_to_stdout": True,
        }
        setup = {f"{self.cluster}_setup": [*self.setup]} if self.setup else {}
        slurm = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "exclude": self.exclude,
            "array_parallelism": self.at_once,
            "srun_args": ["--nodes=1", "--ntasks=1"],  # one process runs the jobs; it starts the ranks of several nodes
            "additional_parameters": {"signal": f"USR1@{self.notice_s}", "requeue": True, **self.more},
        }
        executor = _submitit().AutoExecutor(folder=folder, cluster=self.cluster)
        executor.update_parameters(**general, **setup, **{f"slurm_{key}": value for key, value in slurm.items()})
        return executor


class ClusterRunner:
    """Submits chains of jobs and waits for them.

    A job that is submitted and has not ended is not submitted again: the same command waits for it. Where another
    command had submitted that training, with other evaluations, those that are left are submitted then. Where this
    process is killed, the submitted jobs go on.

    Args:
        cluster: Where to.
        folder: Where submitit keeps its files, on a file system that the nodes see.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder.resolve()

    def run_all(
        self, chains: Sequence[Sequence[Job]], after: Callable[[Outcome], object] | None = None
    ) -> list[Outcome]:
        """Run chains of jobs; see :meth:`reid_lit.jobs.runner.Runner.run_all`.

        Raises:
            KeyboardInterrupt: this process was interrupted; what is submitted goes on.
        """
        ended: dict[int, list[Outcome]] = {}
        tell = after or nothing
        left = [place for place, chain in enumerate(chains) if not all(job.done for job in chain)]
        running = {place: job for place in left if (job := self._earlier(chains[place])) is not None}
        new, earlier = [place for place in left if place not in running], set(running)
        try:
            while left or len(ended) < len(chains):
                running |= self._submitted(chains, new, len(running))
                for place, chain in enumerate(chains):
                    over = place not in left or (place in running and self._over(running[place]))
                    if place in ended or not over:
                        continue
                    if place in earlier and chain[0].done and not all(job.done for job in chain):
                        earlier.remove(place)  # it had other evaluations: those of this chain are submitted, once
                        del running[place]
                        new.append(place)
                        continue
                    ended[place] = _outcomes(chain, running.pop(place, None))
                    left = [each for each in left if each != place]
                    for outcome in ended[place]:
                        tell(outcome)
                if left:
                    time.sleep(_PAUSE)
                if is_over():
                    raise TurnOver
        except KeyboardInterrupt:
            _log.warning("%d submitted jobs go on; the same command waits for them", len(running))
            raise
        return [outcome for place in range(len(chains)) for outcome in ended[place]]

    def _submitted(self, chains: Sequence[Sequence[Job]], new: list[int], running: int) -> dict[int, Any]:
        """Submit chains, and take them from ``new``: all as one array to SLURM, which keeps to the limit, or some."""
        if not new:
            return {}
        room = len(new) if self.cluster.cluster == "slurm" else max(0, self.cluster.at_once - running)
        places, new[:] = new[:room], new[room:]
        if not places:
            return {}
        executor = self.cluster.executor(self.folder / "%j")
        with executor.batch():
            jobs = [executor.submit(run_in_turn, list(chains[place]), self.cluster.srun()) for place in places]
        for place, job in zip(places, jobs, strict=True):
            content = {"cluster": self.cluster.cluster, "id": job.job_id, "files": str(self.folder / "%j")}
            write_text(chains[place][0].folder / SUBMITTED, json.dumps(content, indent=2) + "\n")
            _log.info("%s: submitted as %s; its log is %s", chains[place][0].name, job.job_id, job.paths.stdout)
        return dict(zip(places, jobs, strict=True))

    def _over(self, submitted: Any) -> bool:
        """Whether a submitted job has ended; SLURM is asked now and then, in case one ends without a result."""
        return (self.cluster.cluster == "slurm" and submitted.paths.result_pickle.is_file()) or submitted.done()

    def _earlier(self, chain: Sequence[Job]) -> Any:
        """The job by which an earlier command submitted a chain; None where that has ended."""
        file = chain[0].folder / SUBMITTED
        if self.cluster.cluster != "slurm" or not file.is_file():  # submitit finds no process that it has not started
            return None
        known = json.loads(file.read_text())
        if known["cluster"] != "slurm":
            return None
        job = _submitit().SlurmJob(folder=known["files"], job_id=known["id"])
        if str(job.watcher.get_state(job.job_id, mode="force")).upper() not in _ALIVE:
            return None
        _log.info("%s: was submitted as %s, which has not ended", chain[0].name, known["id"])
        return job


def run_in_turn(chain: Sequence[Job], before: Sequence[str]) -> list[str]:
    """Run a training and its evaluations; this is what a submitted job does.

    Args:
        chain: The jobs.
        before: Words before the command of each.

    Returns:
        The state of each.
    """
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(message)s", force=True)
    with turn():
        return [outcome.state for outcome in Runner(before=before).run_all([chain])]


def _outcomes(chain: Sequence[Job], submitted: Any) -> list[Outcome]:
    """How the jobs of a chain ended, by their records; of those that never began, by what SLURM says."""
    outcomes = [Outcome(job, job.state(), _seconds(job), recorded(job.folder).get("reason", "")) for job in chain]
    begun = [outcome for outcome in outcomes if outcome.state not in ("done", "not run")]
    if submitted is not None and not begun and outcomes[-1].state != "done":
        first = next(place for place, outcome in enumerate(outcomes) if outcome.state != "done")
        reason = f"what was submitted as {submitted.job_id} ended as {submitted.state}; see {submitted.paths.stdout}"
        outcomes[first] = Outcome(chain[first], "failed", 0.0, reason)
    return outcomes


def _seconds(job: Job) -> float:
    return float((recorded(job.folder).get("starts") or [{}])[-1].get("seconds", 0.0))


def _submitit() -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "hydra/launcher=slurm: no package submitit; install it with: pip install 'reid-lit[slurm]'"
        ) from error
    return submitit
