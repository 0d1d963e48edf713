"""Running the jobs of a table by a launcher, and saying how they ended."""

import dataclasses
import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape

from reid_lit.jobs.job import Job, Outcome, failures, recorded
from reid_lit.jobs.runner import Runner, visible_gpus
from reid_lit.paths import write_text
from reid_lit.sweeps.launcher import runner_of, say
from reid_lit.tables.command import Ask, from_hydra
from reid_lit.tables.plan import chains, folder_of, plan, write_plan
from reid_lit.tables.plan_text import show_plan
from reid_lit.tables.report import write_report
from reid_lit.tables.report_text import show
from reid_lit.tables.spec import TableError, read_table

_log = logging.getLogger(__name__)


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
        runner = runner_of(at_once)
        finished: list[Job] = []

        def after(outcome: Outcome) -> None:
            finished.append(outcome.job)
            say(outcome, len(finished), sum(map(len, todo)))
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
        say(outcome, place, len(outcomes))
    write_report(Path(content["table"]))
    return [outcome.state for outcome in outcomes]


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
