"""Running the jobs of a table by a launcher, and printing how they ended."""

import dataclasses
import itertools
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from rich.console import Console

from reid_lit.jobs.cluster import ClusterRunner
from reid_lit.jobs.job import Job, Outcome, failures, not_tried, recorded
from reid_lit.jobs.runner import Runner, devices_in_words, log_outcome, visible_gpus
from reid_lit.paths import write_text
from reid_lit.tables.command import TableRequest, read_request
from reid_lit.tables.jobs import Place
from reid_lit.tables.plan import Chain, chains, places_of
from reid_lit.tables.plan_file import write_plan
from reid_lit.tables.plan_text import show_plan
from reid_lit.tables.report import write_report
from reid_lit.tables.report_text import show
from reid_lit.tables.spec import TableError, read_table
from reid_lit.wording import counted


def sweep_table(words: Sequence[str], launcher: Launcher) -> None:
    """Plan a table, print the plan, run what is not done, and report.

    Args:
        words: The table's command line.
        launcher: Runs the jobs: ours by its runner, Hydra's wherever they do.

    Raises:
        SystemExit: a job failed, or what is asked for cannot be done.
    """
    request = read_request(words)
    spec = read_table(request.table)
    try:
        places = places_of(spec, request)
    except TableError as error:
        sys.exit(str(error))
    show_plan(spec, request, places, where=devices_of(launcher, chains(places)))
    _check_data(places, plan_only=request.plan_only)
    if request.plan_only:
        return
    folder = write_plan(spec, request, places, _command(request)).parent
    own = getattr(launcher, "runner", None)  # of a launcher of ours, which starts the jobs itself

    def run(todo: Sequence[Chain]) -> list[Outcome]:
        if own is None:
            return launch_chains(todo, launcher, folder)
        return run_chains(todo, own(folder), lambda _: write_report(folder))

    def again() -> list[Place]:
        places = places_of(spec, request)
        write_plan(spec, request, places, _command(request))
        return places

    outcomes = run_places(places, run, again)
    show(write_report(folder))
    finish(outcomes)


def devices_of(launcher: Launcher, todo: Sequence[Chain]) -> str:
    """What runs the jobs, how many at once, and on which devices."""
    if hasattr(launcher, "at_once"):
        whole = any(job.whole_machine for chain in todo for job in chain.jobs)
        return devices_in_words(launcher.at_once, whole_machine=whole)
    if (wanted := getattr(launcher, "wanted", None)) is not None:
        return f"Jobs are submitted to {wanted.get('cluster')}, at most {wanted.get('at_once')} at once."
    return f"Jobs are run by {type(launcher).__name__}."


def _check_data(places: Sequence[Place], *, plan_only: bool) -> None:
    """End with exit code 1 where a plan lacks data, or a table lacks those of each of its numbers.

    Raises:
        SystemExit: see above.
    """
    left = [place for place in places if place.wanted and not place.last.done]
    lacking = [place for place in left if place.missing]
    if not lacking:
        return
    fact = f"{counted(len(lacking), 'number')} of {len(left)} cannot be had without the data above"
    if plan_only or len(lacking) == len(left):
        sys.exit(f"{fact}; nothing was started")
    Console(stderr=True).print(f"{fact}; the others are run", highlight=False, soft_wrap=True)


def run_places(
    places: Sequence[Place], run: Callable[[Sequence[Chain]], list[Outcome]], again: Callable[[], list[Place]]
) -> list[Outcome]:
    """Run the jobs of places; then the tests of trainings that other commands did meanwhile, with tests of their own.

    Args:
        places: The plan.
        run: Runs chains.
        again: Plans anew.

    Returns:
        How each job ended.
    """
    ended = {outcome.job.folder: outcome for outcome in run(chains(places))}
    while any(place.tested_otherwise for place in places if place.wanted):
        places = again()
        left = [chain for chain in chains(places) if chain.training.done and not all(job.done for job in chain.jobs)]
        ended |= {outcome.job.folder: outcome for outcome in run(left)}
    return list(ended.values())


def run_chains(
    todo: Sequence[Chain], runner: Runner | ClusterRunner, after: Callable[[Outcome], object]
) -> list[Outcome]:
    """Run chains; one whose training starts from a failed one is left out.

    Args:
        todo: Those that start from others behind those.
        runner: Runs the jobs.
        after: Called with each outcome, once it is logged.

    Returns:
        How each job ended: as the runner tells, which knows of what died before it left a record; else by its record.
    """
    number = sum(len(chain.jobs) for chain in todo)
    told: dict[Path, Outcome] = {}

    def each(outcome: Outcome) -> None:
        told[outcome.job.folder] = outcome
        log_outcome(outcome, len(told), number)
        after(outcome)

    for layer in _layers(todo):
        runner.run_all([chain.jobs for chain in layer if chain.ready], each)
    return [told.get(outcome.job.folder, outcome) for outcome in _recorded(todo)]


def _layers(todo: Sequence[Chain]) -> Iterator[list[Chain]]:
    """Chains that can be run side by side, after those before them."""
    for _, layer in itertools.groupby(todo, key=lambda chain: len(chain.before)):
        yield list(layer)


def launch_chains(todo: Sequence[Chain], launcher: Launcher, folder: Path) -> list[Outcome]:
    """Run chains by a launcher of Hydra's, which starts :func:`run_chain` for each.

    Args:
        todo: As :func:`run_chains` takes it.
        launcher: Returns once they have ended.
        folder: Of the table, whose report is written after each chain.

    Returns:
        How each job ended, by its record.
    """
    places = itertools.count()
    for layer in _layers(todo):
        launches = []
        for chain in layer:
            place = next(places)
            if chain.ready and not all(job.done for job in chain.jobs):
                launches.append(_written(chain, place, folder))
        if launches:
            launcher.launch(launches, initial_job_idx=0)
    return _recorded(todo)


def _written(chain: Chain, place: int, table: Path) -> list[str]:
    """Write a chain into the folder of its training; the overrides by which it is run."""
    folder = chain.training.folder
    jobs = [dataclasses.asdict(job) | {"folder": str(job.folder)} for job in chain.jobs]
    file = write_text(folder / "chain.json", json.dumps({"jobs": jobs, "place": place, "table": str(table)}))
    return [
        f"+chain='{file}'", f"hydra.sweep.dir='{folder.parent}'", f"hydra.sweep.subdir='{folder.name}'",
        "hydra.output_subdir=null", "hydra/job_logging=stdout",
    ]  # fmt: skip


def run_chain(config: DictConfig) -> list[str]:
    """Run a training and its evaluations, each as a process of its own; a launcher of Hydra's calls this."""
    content = json.loads(Path(config.chain).read_text())
    jobs = [
        Job(**job | {"folder": Path(job["folder"]), "overrides": tuple(job["overrides"])}) for job in content["jobs"]
    ]
    gpus = visible_gpus()
    if len(gpus) > 1 and not jobs[0].whole_machine:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[content["place"] % len(gpus)]
    outcomes = Runner().run_all([jobs])
    for place, outcome in enumerate(outcomes, 1):
        log_outcome(outcome, place, len(outcomes))
    write_report(Path(content["table"]))
    return [outcome.state for outcome in outcomes]


def _recorded(todo: Sequence[Chain]) -> list[Outcome]:
    """How the jobs of chains ended, by their records."""
    jobs = [job for chain in todo for job in chain.jobs]
    return [Outcome(job, job.state(), 0.0, recorded(job.folder).get("reason", "")) for job in jobs]


def finish(outcomes: Sequence[Outcome]) -> None:
    """End with exit code 1 where a job is not done: those that failed and those that were not run are named.

    Raises:
        SystemExit: see above.
    """
    left = [outcome for outcome in outcomes if outcome.state != "done"]
    if left:
        head = f"{len(left)} of {len(outcomes)} jobs are not done; the same command goes on with them"
        running = [f"{each.job.name}: still running (log: {each.job.log})" for each in left if each.state == "running"]
        lines = [*failures(outcomes), *running, not_tried(outcomes)]
        sys.exit("\n  ".join([head, *filter(None, lines)]))


def _command(request: TableRequest) -> str:
    """The command of a plan."""
    words = [
        f"+table={request.table}",
        *([f"size={request.size}"] if request.size != "paper" else []),
        *([f"rows={','.join(request.rows)}"] if request.rows else []),
        *(f"{name}={','.join(labels)}" for name, labels in request.labels.items()),
        *([f"table_dir={request.table_dir}"] if request.table_dir != "tables" else []),
        *request.overrides,
    ]
    return shlex.join(["python", "-m", "reid_lit.train", *words])


def report_folder(request: TableRequest) -> Path:
    """The folder of a table's report, planned where no sweep has begun.

    Raises:
        TableError: what is asked for cannot be done.
    """
    if not (request.folder / "plan.json").is_file():
        spec = read_table(request.table)
        write_plan(spec, request, places_of(spec, request), _command(request))
    return request.folder
