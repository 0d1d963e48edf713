"""The plan of a table, printed: its jobs, what is done, and what several numbers share."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from reid_lit.jobs.job import Job
from reid_lit.run.presence import FAKES
from reid_lit.sweeps.plain_text import print_table
from reid_lit.tables.command import TableRequest, chosen_rows
from reid_lit.tables.hours import hours_in_words
from reid_lit.tables.jobs import Place
from reid_lit.tables.plan import Chain, chains
from reid_lit.tables.plan_file import plans_in
from reid_lit.tables.spec import rows_of, status
from reid_lit.wording import counted


def show_plan(spec: Mapping[str, Any], request: TableRequest, places: Sequence[Place], *, where: str = "") -> None:
    """Print what will be run for a table, and why.

    Args:
        spec: The content of the table's file.
        request: What the command line asks for.
        places: All numbers of the table.
        where: How many jobs run at once on which devices.
    """
    rows, todo, others = rows_of(spec, request.size), chains(places), other_tables(request)
    console = Console(soft_wrap=False)
    head = ("", "", "training", "tested by", "state")
    lines = [
        (str(number), _gives(rows, places, chain.training), _training(chain), _tests(chain), _state(chain))
        for number, chain in enumerate(todo, 1)
    ]
    print_table(console, head, lines, title=f"{request.table}: {spec['title']}")
    for line in (*_not_run(rows), *_left_out(spec, request, rows)):
        console.print(escape(line), style="dim", highlight=False, soft_wrap=True)
    hours = hours_in_words(spec, request.size, places, todo)
    for line in (summary(places, todo, others), hours, where, *_folders(request), *_missing(places)):
        if line:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _training(chain: Chain) -> str:
    """The folder of a training; ahead of it the seed, which the folder does not name."""
    seed = chain.training.facts.get("seed")
    return chain.training.folder.name if seed in (None, 0) else f"{chain.training.folder.name}\n(seed {seed})"


def _tests(chain: Chain) -> str:
    """What tests a training: itself, or evaluations behind it."""
    if not chain.evaluations:
        return "itself"
    done = sum(job.done for job in chain.evaluations)
    return f"{counted(len(chain.evaluations), 'job')} after it" + (f", {done} done" if done else "")


def _state(chain: Chain) -> str:
    return {"not run": "to do"}.get(state := chain.training.state(), state)


def _not_run(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        if (kind := status(row)) != "run":
            reasons = {
                "quoted": "quoted by the paper, never run",
                "same_as": f"its numbers are those of {row.get(kind)}",
            }
            yield f"  {row['name']}: {reasons.get(kind, f'{kind}: {row.get(kind)}')}"


def _folders(request: TableRequest) -> tuple[str, str]:
    """Where the results will lie."""
    report = f"The table will be in {request.folder} (report.md, .html, .csv, .tex, .json),"
    return report, f"its trainings in {request.trainings}/<training>."


def _missing(places: Sequence[Place]) -> list[str]:
    """A line for each data set that is not there, with the cure."""
    roots = {name: root for place in places for name, root in place.missing.items()}
    where = (
        "point $REID_DATA (or data_root=) at the folder that holds it; docs/datasets.md says how each set lies;"
        " size=laptop needs none"
    )
    made = "python -m reid_lit.camstyle with the data set's words makes it; docs/camstyle.md"
    return [
        f"MISSING: {name}: there is no {root.absolute()}; {made if name == FAKES else where}"
        for name, root in roots.items()
    ]


def _left_out(spec: Mapping[str, Any], request: TableRequest, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for the rows that this size can run and does not unless they are asked for."""
    if request.rows:
        return []
    chosen = chosen_rows(spec, (), request.size)
    names = [str(row["name"]) for place, row in enumerate(rows) if status(row) == "run" and place not in chosen]
    return [f"  run where they are asked for (rows=…): {', '.join(names)}"] if names else []


def summary(places: Sequence[Place], todo: Sequence[Chain], others: Mapping[str, Sequence[str]]) -> str:
    """The plan in a sentence."""
    wanted = [place for place in places if place.wanted]
    trainings = [chain.training for chain in todo]
    jobs = [job for chain in todo for job in chain.jobs]
    numbers = [sum(place.training.folder == training.folder for place in wanted) for training in trainings]
    shared = sum(number > 1 for number in numbers)
    elsewhere = [training for training in trainings if str(training.folder) in others]
    tables = sorted({name for training in elsewhere for name in others[str(training.folder)]})
    told = [
        f"{counted(len(wanted), 'number')} from {counted(len(jobs), 'job')}: {counted(len(trainings), 'training')},"
        f" {counted(len(jobs) - len(trainings), 'evaluation')}; {sum(job.done for job in jobs)} done.",
        f"{counted(shared, 'training gives', 'trainings give')} several numbers each." if shared else "",
        f"{counted(len(elsewhere), 'training is', 'trainings are')} used by other tables too: {', '.join(tables)}."
        if elsewhere
        else "",
    ]
    return " ".join(filter(None, told))


def _gives(rows: Sequence[Mapping[str, Any]], places: Sequence[Place], training: Job) -> str:
    """The rows and labels whose numbers come from a training; that of a stage gives none."""
    names = [
        f"{rows[place.cell.row]['name']} · {place.cell.label}"
        for place in places
        if place.wanted and place.training.folder == training.folder
    ]
    return "; ".join(dict.fromkeys(names)) or "(what others start from)"


def other_tables(request: TableRequest) -> dict[str, list[str]]:
    """The trainings that plans of other tables name, each with those tables."""
    tables: dict[str, list[str]] = {}
    for plan in plans_in(Path(request.table_dir)):
        folder = Path(plan["folder"])
        if folder != request.folder:
            name = folder.relative_to(plan["table_dir"]).as_posix()
            for training in sorted({cell["training"] for cell in plan["cells"]}):
                tables.setdefault(training, []).append(name)
    return tables
