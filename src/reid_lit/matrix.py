"""``python -m reid_lit.matrix sources=[…] targets=[…] methods=[…]``: methods across data sets, as one table."""

import logging
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.command.launch import launch
from reid_lit.cross_domain import text
from reid_lit.cross_domain.plan import Ask, Cell, Planner, Training
from reid_lit.cross_domain.presence import look
from reid_lit.cross_domain.scores import matrix_facts
from reid_lit.cross_domain.testing import evaluation_of, lacking_tests, with_tests
from reid_lit.cross_domain.words import MatrixError, chosen_methods, domains, read_methods
from reid_lit.cross_domain.write import write
from reid_lit.jobs.job import Job, Outcome, failures
from reid_lit.jobs.runner import Runner, visible_gpus
from reid_lit.overrides import key_of
from reid_lit.paths import options, packaged
from reid_lit.run.identity import is_of
from reid_lit.wording import counted, unknown

_log = logging.getLogger(__name__)

_LISTS = ("sources", "targets", "methods", "seed")


def matrix(config: DictConfig) -> None:
    """Plan, run, and write the table after every job.

    Raises:
        SystemExit: a word is not known, or a job failed; the exit code is 1.
    """
    try:
        ask = asked(config)
        planner = Planner(ask)
        cells = planner.cells()
    except MatrixError as error:
        sys.exit(str(error))
    trainings = list(planner.trainings.values())
    folder = Path(config.output).expanduser()
    _show_plan(trainings, cells)
    if config.plan:
        return
    about = _about(config, ask)
    write(folder, matrix_facts(cells, about))
    try:
        outcomes = run(trainings, ask, lambda outcome: _told(outcome, folder, cells, about))
    finally:
        write(folder, found := matrix_facts(cells, _about(config, ask)))
    _show(found, folder)
    if failed := failures(outcomes):
        sys.exit("\n".join(["failed:", *failed, "the same command goes on with what is left"]))


def asked(config: DictConfig) -> Ask:
    """What the config asks for; its data sets are read.

    Raises:
        MatrixError: a word is not known.
    """
    if config.size not in config.sizes:
        raise MatrixError(unknown("size", str(config.size), list(config.sizes)))
    size: Any = OmegaConf.to_container(config.sizes[config.size], resolve=True)
    known = [name for name in options("dataset") if name not in ("transfer", "images")]
    sources, targets = (domains(list(config[key]), size["datasets"], known) for key in ("sources", "targets"))
    ways = read_methods(size["methods"])
    methods = chosen_methods(list(config.methods), ways)
    if not (sources and targets and methods and config.seed):
        raise MatrixError("name one source, target, method and seed, or more of each")
    one = OmegaConf.merge(config, {"seed": config.seed[0]})  # as a training reads data
    lacking, rows = look(cast(DictConfig, one), sources, targets, prepare=not config.plan)
    return Ask(
        sources=sources, targets=targets, methods=methods, known=ways, seeds=[int(seed) for seed in config.seed],
        overrides=tuple(config.overrides), trainings=Path(config.trainings).expanduser().resolve(), lacking=lacking,
        rows=rows,
    )  # fmt: skip


def run(trainings: Sequence[Training], ask: Ask, after: Any) -> list[Outcome]:
    """Train, then test what the trainings did not test themselves; what waits for a failed job is left out.

    Args:
        trainings: In any order.
        ask: What is asked for.
        after: Called with each outcome.

    Returns:
        The outcomes of all jobs.
    """
    gpus = visible_gpus()
    runner = Runner(at_once=max(1, len(gpus)), gpus=gpus)
    outcomes: list[Outcome] = []
    for depth in range(1 + max((training.depth for training in trainings), default=-1)):
        layer = [each for each in trainings if each.depth == depth and (each.start is None or each.start.job.done)]
        outcomes += _run(runner, [with_tests(each, each.targets, ask.rows) for each in layer], after)
        tests = [
            evaluation_of(each, left, ask.rows) for each in layer if each.job.done and (left := lacking_tests(each))
        ]
        outcomes += _run(runner, tests, after)
    return outcomes


def _run(runner: Runner, jobs: Sequence[Job], after: Any) -> list[Outcome]:
    return runner.run_all([[job] for job in jobs if not job.done], after)


def _told(outcome: Outcome, folder: Path, cells: Sequence[Cell], about: dict[str, Any]) -> None:
    seconds = f" ({outcome.seconds:.0f} s)" if outcome.seconds else ""
    _log.info("%s: %s%s%s", outcome.job.name, outcome.state, seconds, f": {outcome.reason}" if outcome.reason else "")
    write(folder, matrix_facts(cells, about | {"written": _now()}))


def _about(config: DictConfig, ask: Ask) -> dict[str, Any]:
    size = "" if config.size == "paper" else f", size {config.size}"
    sources, targets = (", ".join(domain.name for domain in part) for part in (ask.sources, ask.targets))
    return {
        "title": f"Across domains: {sources} to {targets}{size}",
        "size": config.size,
        "command": config.command,
        "written": _now(),
        "seeds": list(ask.seeds),
        "sources": [domain.name for domain in ask.sources],
        "targets": [domain.name for domain in ask.targets],
        "methods": {method.name: method.says for method in ask.methods},
        "direct": [method.name for method in ask.methods if method.of_source],
        "lacking": dict(ask.lacking),
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _show_plan(trainings: Sequence[Training], cells: Sequence[Cell]) -> None:
    done = sum(training.job.done for training in trainings)
    table = Table("training", "state", "tested on", title=f"{counted(len(trainings), 'training')}, {done} done")
    for training in sorted(trainings, key=lambda each: each.depth):
        table.add_row(training.job.name, training.job.state(), ", ".join(domain.name for domain in training.targets))
    console = Console()
    console.print(table)
    for reason in dict.fromkeys(cell.reason for cell in cells if cell.reason):
        console.print(f"left empty: {reason}", markup=False, highlight=False, soft_wrap=True)


def _show(found: dict[str, Any], folder: Path) -> None:
    console = Console()
    for block in text.blocks(found):
        table = Table(
            "method",
            *(f"from {source}" for source in found["sources"]),
            title=f"mAP / rank-1 in %, on {block['target']}",
        )
        for row in block["rows"]:
            table.add_row(row["method"], *(escape(text.words(cell)) for cell in row["cells"]))
        console.print(table)
    for note in text.notes(found):
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    names = "matrix.html, .md, .csv, .json and .png"
    console.print(f"{folder.resolve()} has {names}", markup=False, highlight=False, soft_wrap=True)


def for_hydra(arguments: Sequence[str]) -> list[str]:
    """The command line as Hydra composes it: what is no key of the matrix is handed to every training.

    >>> for_hydra(["seed=0,1", "size=laptop", "trainer.max_epochs=1"])
    ['seed=[0,1]', 'size=laptop', 'overrides=["trainer.max_epochs=1"]']
    """
    own = {str(key) for key in OmegaConf.load(packaged("conf") / "matrix.yaml")} - {"defaults", "overrides", "command"}
    hydras, handed = [], []
    for argument in arguments:
        key = key_of(argument)
        root, value = key.split(".")[0], argument.partition("=")[2]
        if argument.startswith("-") or key.startswith(("hydra.", "hydra/")) or root in own:
            bare = key in _LISTS and value and not value.startswith(("[", "$"))
            hydras.append(f"{key}=[{value}]" if bare else argument)
        else:
            handed.append(argument)
            hydras += [argument] if is_of("matrix", argument) else []
    quoted = ",".join(map(_quoted, handed))
    return [*hydras, f"overrides=[{quoted}]"] if handed else hydras


def _quoted(word: str) -> str:
    return '"' + word.replace('"', r"\"") + '"'


if __name__ == "__main__":
    typed = shlex.join(["python", "-m", "reid_lit.matrix", *sys.argv[1:]])
    launch(
        matrix,
        config_name="matrix",
        replay=False,
        reword=lambda words: [*for_hydra(words), f"command={_quoted(typed)}"],
    )
