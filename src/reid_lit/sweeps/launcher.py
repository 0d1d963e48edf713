"""Run the jobs of a multirun as processes of their own, each in its folder."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, open_dict

from reid_lit.jobs.cluster import ClusterRunner
from reid_lit.jobs.job import Job, Outcome, failures, needs_whole_machine, not_tried
from reid_lit.jobs.runner import Runner, log_outcome
from reid_lit.run.identity import keys
from reid_lit.run.objective import objective_of
from reid_lit.run.presence import needs_of


def launch_jobs(
    config: DictConfig,
    loader: ConfigLoader,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    *,
    runner: Runner | ClusterRunner,
) -> list[JobReturn]:
    """Run the jobs of a multirun, each as a process of its own, in folders of ``hydra.sweep.dir``.

    Args:
        config: The config of the sweep.
        loader: Composes the jobs' configs.
        job_overrides: The overrides of each job.
        first: The number of the first job.
        runner: Runs them.

    Returns:
        For each job the score named by ``objective``, or the error that names all failed jobs and their logs.
    """
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    configs = [_composed(config, loader, overrides, first + n) for n, overrides in enumerate(job_overrides)]
    jobs = [_job(config, composed, overrides) for composed, overrides in zip(configs, job_overrides, strict=True)]
    finished: list[Job] = []

    def after(outcome: Outcome) -> None:
        finished.append(outcome.job)
        log_outcome(outcome, len(finished), len(jobs))

    outcomes = runner.run_all([[job] for job in jobs], after)
    lines = failures(outcomes)
    told = [f"{len(lines)} of {len(jobs)} jobs failed:", *lines, not_tried(outcomes)]
    error = CompactHydraException("\n".join(filter(None, told)))
    return [_returned(composed, outcome, error) for composed, outcome in zip(configs, outcomes, strict=True)]


def _composed(config: DictConfig, loader: ConfigLoader, overrides: Sequence[str], number: int) -> DictConfig:
    composed = loader.load_sweep_config(config, list(overrides))
    with open_dict(composed):
        composed.hydra.job.id = composed.hydra.job.num = number
    return composed


def _job(config: DictConfig, composed: DictConfig, overrides: Sequence[str]) -> Job:
    import __main__

    spec = getattr(__main__, "__spec__", None)
    passed = [override for override in config.hydra.overrides.hydra if not override.startswith(keys("sweep"))]
    name = _short(str(composed.hydra.sweep.subdir))
    return Job(
        name=name,
        folder=Path(str(config.hydra.sweep.dir)).resolve() / name,
        overrides=(*overrides, *passed),
        module=spec.name if spec else "reid_lit.train",
        resumable=composed.hydra.job.config_name == "train",
        whole_machine="machine" in composed and needs_whole_machine(composed.machine.devices),
        facts={"overrides": list(overrides)},
        needs=needs_of(composed) if "dataset" in composed else (),
    )


def _short(name: str, longest: int = 150) -> str:
    """A folder's name that every file system takes."""
    name = name.replace("/", "|")
    return name if len(name) <= longest else f"{name[: longest - 9]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _returned(composed: DictConfig, outcome: Outcome, error: Exception) -> JobReturn:
    result = JobReturn(
        overrides=list(outcome.job.facts["overrides"]),
        cfg=composed,
        working_dir=str(Path.cwd()),
        task_name=outcome.job.name,
        status=JobStatus.COMPLETED if outcome.state == "done" else JobStatus.FAILED,
    )
    result.return_value = _score(outcome.job, composed.get("objective")) if outcome.state == "done" else error
    return result


def _score(job: Job, objective: str | None) -> float | None:
    metrics = json.loads((job.folder / job.result).read_text())
    return None if objective is None else objective_of(objective, metrics, metrics["results"])
