"""Running the jobs of a table or of a multirun by a launcher, and saying how they ended."""

import dataclasses
import hashlib
import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, open_dict
from rich.console import Console
from rich.markup import escape

from reid_lit.jobs import Job, Outcome, failures, recorded
from reid_lit.objective import objective_of
from reid_lit.paths import write_text
from reid_lit.runner import Runner, visible_gpus
from reid_lit.tables.command import Ask, from_hydra
from reid_lit.tables.plan import chains, folder_of, plan, write_plan
from reid_lit.tables.plan_text import show_plan
from reid_lit.tables.report import write_report
from reid_lit.tables.report_text import show
from reid_lit.tables.spec import TableError, read_table

_log = logging.getLogger(__name__)

_OF_THE_SWEEP = ("hydra.mode", "hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweep", "hydra.run")


def sweep_table(encoded: str, launcher: Launcher) -> None:
    """Plan a table, print the plan, run what is not done, and report.

    Args:
        encoded: What the command line asks for, from :func:`reid_lit.tables.command.for_hydra`.
        launcher: Runs the jobs: ours in this process, others wherever they do.

    Raises:
        SystemExit: a job failed, or what is asked for cannot be done.
    """
    ask = from_hydra(encoded)
    spec = read_table(ask.table)
    try:
        places = plan(spec, ask)
    except TableError as error:
        sys.exit(str(error))
    show_plan(spec, ask, places)
    if ask.plan:
        return
    folder = write_plan(spec, ask, places, _command(ask)).parent
    todo = chains(places)
    _run(todo, launcher, folder)
    show(write_report(folder))
    _finish([_outcome(job) for chain in todo for job in chain])


def _run(todo: Sequence[Sequence[Job]], launcher: Launcher, folder: Path) -> None:
    at_once = getattr(launcher, "at_once", None)  # our own launcher: this process starts the jobs, and Hydra no other
    if at_once is not None:
        runner = _runner(at_once)
        finished: list[Job] = []

        def after(outcome: Outcome) -> None:
            finished.append(outcome.job)
            _say(outcome, len(finished), sum(map(len, todo)))
            write_report(folder)

        runner.run_all(todo, after)
        return
    launches = []
    for place, chain in enumerate(todo):
        if not all(job.done for job in chain):
            jobs = [dataclasses.asdict(job) | {"folder": str(job.folder)} for job in chain]
            first = chain[0].folder
            file = write_text(first / "chain.json", json.dumps({"jobs": jobs, "place": place, "table": str(folder)}))
            launches.append(
                [
                    f"+chain='{file}'", f"hydra.sweep.dir='{first.parent}'", f"hydra.sweep.subdir='{first.name}'",
                    "hydra.output_subdir=null", "hydra/job_logging=stdout",
                ]
            )  # fmt: skip
    if launches:
        launcher.launch(launches, initial_job_idx=0)


def run_chain(config: DictConfig) -> list[str]:
    """What a launcher of Hydra's runs, wherever it does: a training and its evaluations, each as an own process."""
    content = json.loads(Path(config.chain).read_text())
    jobs = [
        Job(**job | {"folder": Path(job["folder"]), "overrides": tuple(job["overrides"])}) for job in content["jobs"]
    ]
    gpus = visible_gpus()
    own = gpus[content["place"] % len(gpus)] if len(gpus) > 1 and not jobs[0].whole_machine else None
    if own is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = own
    outcomes = Runner().run_all([jobs])
    for place, outcome in enumerate(outcomes, 1):
        _say(outcome, place, len(outcomes))
    write_report(Path(content["table"]))
    return [outcome.state for outcome in outcomes]


def launch_jobs(
    config: DictConfig,
    loader: ConfigLoader,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    *,
    at_once: int | str,
) -> list[JobReturn]:
    """Run the jobs of a multirun, each as an own process, in folders of ``hydra.sweep.dir``.

    Args:
        config: What the sweep itself is composed of.
        loader: Composes the jobs' configs.
        job_overrides: The overrides of each.
        first: The number of the first.
        at_once: Jobs that run beside each other, or ``auto``.

    Returns:
        Of each, the score named by ``objective``, or the error that names all that failed and their logs.
    """
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    configs = [_composed(config, loader, overrides, first + n) for n, overrides in enumerate(job_overrides)]
    jobs = [_job(config, own, overrides) for own, overrides in zip(configs, job_overrides, strict=True)]
    finished: list[Job] = []

    def after(outcome: Outcome) -> None:
        finished.append(outcome.job)
        _say(outcome, len(finished), len(jobs))

    outcomes = _runner(at_once).run_all([[job] for job in jobs], after)
    lines = failures(outcomes)
    error = CompactHydraException(f"{len(lines)} of {len(jobs)} jobs failed:\n" + "\n".join(lines))
    return [_returned(own, outcome, error) for own, outcome in zip(configs, outcomes, strict=True)]


def _composed(config: DictConfig, loader: ConfigLoader, overrides: Sequence[str], number: int) -> DictConfig:
    own = loader.load_sweep_config(config, list(overrides))
    with open_dict(own):
        own.hydra.job.id = own.hydra.job.num = number
    return own


def _job(config: DictConfig, own: DictConfig, overrides: Sequence[str]) -> Job:
    import __main__

    spec = getattr(__main__, "__spec__", None)
    passed = [each for each in config.hydra.overrides.hydra if not each.startswith(_OF_THE_SWEEP)]
    name = _short(str(own.hydra.sweep.subdir))
    return Job(
        name=name,
        folder=Path(str(config.hydra.sweep.dir)).resolve() / name,
        overrides=(*overrides, *passed),
        module=spec.name if spec else "reid_lit.train",
        resumable=own.hydra.job.config_name == "train",
        whole_machine="trainer" in own and own.trainer.devices not in (1, "1"),
        facts={"overrides": list(overrides)},
    )


def _short(name: str, longest: int = 150) -> str:
    """A folder's name that every file system takes."""
    name = name.replace("/", "|")
    return name if len(name) <= longest else f"{name[: longest - 9]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _returned(own: DictConfig, outcome: Outcome, error: Exception) -> JobReturn:
    result = JobReturn(
        overrides=list(outcome.job.facts["overrides"]),
        cfg=own,
        working_dir=str(Path.cwd()),
        task_name=outcome.job.name,
        status=JobStatus.COMPLETED if outcome.state == "done" else JobStatus.FAILED,
    )
    result.return_value = _score(outcome.job, own.get("objective")) if outcome.state == "done" else error
    return result


def _score(job: Job, objective: str | None) -> float | None:
    metrics = json.loads((job.folder / job.result).read_text())
    return None if objective is None else objective_of(objective, metrics, metrics["results"])


def _runner(at_once: int | str) -> Runner:
    gpus = visible_gpus()
    return Runner(at_once=max(1, len(gpus)) if at_once == "auto" else int(at_once), gpus=gpus)


def _say(outcome: Outcome, place: int, number: int) -> None:
    took = f" in {outcome.seconds / 60:.1f} min" if outcome.seconds else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    _log.info("%d of %d: %s: %s%s%s", place, number, outcome.job.name, outcome.state, took, reason)


def _outcome(job: Job) -> Outcome:
    return Outcome(job, job.state(), 0.0, recorded(job.folder).get("reason", ""))


def _finish(outcomes: Sequence[Outcome]) -> None:
    """Name what failed and where its log is.

    Raises:
        SystemExit: something did.
    """
    lines = failures(outcomes)
    if lines:
        console = Console(stderr=True, soft_wrap=True)
        console.print(f"[bold]{len(lines)} of {len(outcomes)} jobs failed[/bold]; the same command tries them again")
        for line in lines:
            console.print(f"  {escape(line)}", highlight=False)
        sys.exit(1)


def _command(ask: Ask) -> str:
    """The command that this plan is of."""
    words = [
        f"+table={ask.table}",
        *([f"size={ask.size}"] if ask.size != "paper" else []),
        *([f"rows={','.join(ask.rows)}"] if ask.rows else []),
        *(f"{name}={','.join(labels)}" for name, labels in ask.labels.items()),
        *([f"table_dir={ask.table_dir}"] if ask.table_dir != "tables" else []),
        *ask.overrides,
    ]
    return shlex.join(["python", "-m", "reid_lit.train", *words])


def report_folder(ask: Ask) -> Path:
    """The folder of a table's report, planned where no sweep has begun.

    Raises:
        TableError: what is asked for cannot be done.
    """
    folder = folder_of(ask)
    if not (folder / "plan.json").is_file():
        spec = read_table(ask.table)
        write_plan(spec, ask, plan(spec, ask), _command(ask))
    return folder
