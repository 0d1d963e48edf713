"""The plan of a table, printed: its jobs, what is done, and what several numbers share."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.jobs.job import Job
from reid_lit.tables.command import TableRequest, chosen_rows
from reid_lit.tables.hours import hours_in_words
from reid_lit.tables.jobs import Place
from reid_lit.tables.plan import Chain, chains
from reid_lit.tables.spec import rows_of, status
from reid_lit.wording import counted


def show_plan(spec: Mapping[str, Any], request: TableRequest, places: Sequence[Place]) -> None:
    """Print what will be run for a table, and why.

    Args:
        spec: The content of the table's file.
        request: What the command line asks for.
        places: All numbers of the table.
    """
    rows = rows_of(spec, request.size)
    others = other_tables(request)
    console = Console(soft_wrap=False)
    table = Table("", "training", "numbers from it", "evaluations", "state", "also of")
    table.title = escape(f"{request.table}: {spec['title']}")
    todo = chains(places)
    for number, chain in enumerate(todo, 1):
        served = _served(rows, places, chain.training)
        done = sum(job.done for job in chain.evaluations)
        evaluations = f"{done} of {len(chain.evaluations)} done" if chain.evaluations else "its own"
        also = ", ".join(others.get(str(chain.training.folder), []))
        cells = (chain.training.name, "; ".join(served), evaluations, chain.training.state(), also)
        table.add_row(str(number), *map(escape, cells))
    console.print(table)
    for row in rows:
        if (kind := status(row)) != "run":
            reason = {"quoted": "quoted by the paper, never run"}.get(kind, f"{kind}: {row.get(kind)}")
            console.print(f"  {escape(str(row['name']))}: {escape(reason)}", style="dim", soft_wrap=True)
    left_out = _left_out(spec, request, rows)
    if left_out:
        text = f"  run where they are asked for (rows=…): {', '.join(left_out)}"
        console.print(escape(text), style="dim", highlight=False, soft_wrap=True)
    lines = (summary(places, todo, others), hours_in_words(spec, request.size, places, todo))
    console.print(" ".join(filter(None, lines)), highlight=False, soft_wrap=True)


def _left_out(spec: Mapping[str, Any], request: TableRequest, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows that this size can run and does not unless they are asked for."""
    if request.rows:
        return []
    chosen = chosen_rows(spec, (), request.size)
    return [str(row["name"]) for place, row in enumerate(rows) if status(row) == "run" and place not in chosen]


def summary(places: Sequence[Place], todo: Sequence[Chain], others: Mapping[str, Sequence[str]]) -> str:
    """The plan in a sentence."""
    wanted = [place for place in places if place.wanted]
    trainings = [chain.training for chain in todo]
    jobs = [job for chain in todo for job in chain.jobs]
    numbers = [sum(place.training.folder == training.folder for place in wanted) for training in trainings]
    shared = sum(number > 1 for number in numbers)
    elsewhere = sum(str(training.folder) in others for training in trainings)
    return (
        f"{counted(len(wanted), 'number')} from {counted(len(jobs), 'job')}: {counted(len(trainings), 'training')},"
        f" {counted(len(jobs) - len(trainings), 'evaluation')}; {sum(job.done for job in jobs)} done."
        f" {counted(shared, 'training serves', 'trainings serve')} several numbers,"
        f" {counted(elsewhere, 'serves', 'serve')} other tables too."
    )


def _served(rows: Sequence[Mapping[str, Any]], places: Sequence[Place], training: Job) -> list[str]:
    """The rows and labels that a training serves."""
    names = [
        f"{rows[place.cell.row]['name']} · {place.cell.label}"
        for place in places
        if place.wanted and place.training.folder == training.folder
    ]
    return list(dict.fromkeys(names))


def other_tables(request: TableRequest) -> dict[str, list[str]]:
    """The trainings that plans of other tables name, each with those tables."""
    tables: dict[str, list[str]] = {}
    for file in sorted(Path(request.table_dir).resolve().glob("*/*/plan.json")):
        if file.parent != request.folder:
            name = file.parent.relative_to(file.parents[2]).as_posix()
            for training in sorted({cell["training"] for cell in json.loads(file.read_text())["cells"]}):
                tables.setdefault(training, []).append(name)
    return tables
