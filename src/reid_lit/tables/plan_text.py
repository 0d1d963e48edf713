"""The plan of a table, printed: its jobs, what is done, and what several numbers share."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.jobs.job import Job
from reid_lit.tables.command import Ask
from reid_lit.tables.plan import Place, chains, folder_of
from reid_lit.tables.spec import rows_of, status
from reid_lit.wording import counted


def show_plan(spec: Mapping[str, Any], ask: Ask, places: Sequence[Place]) -> None:
    """Print what will be run for a table, and why.

    Args:
        spec: What the table's file says.
        ask: What the command line asks for.
        places: All numbers of the table.
    """
    rows = rows_of(spec, ask.size)
    others = other_tables(ask)
    console = Console(soft_wrap=False)
    table = Table("", "training", "numbers from it", "evaluations", "state", "also of")
    table.title = escape(f"{ask.table}: {spec['title']}")
    todo = chains(places)
    for number, chain in enumerate(todo, 1):
        served = _served(rows, places, chain[0])
        done = sum(job.done for job in chain[1:])
        evaluations = f"{done} of {len(chain) - 1} done" if len(chain) > 1 else "its own"
        also = ", ".join(others.get(str(chain[0].folder), []))
        cells = (chain[0].name, "; ".join(served), evaluations, chain[0].state(), also)
        table.add_row(str(number), *map(escape, cells))
    console.print(table)
    for row in rows:
        if (kind := status(row)) != "run":
            reason = {"quoted": "quoted by the paper, never run"}.get(kind, f"{kind}: {row[kind]}")
            console.print(f"  {escape(str(row['name']))}: {escape(reason)}", style="dim", soft_wrap=True)
    console.print(summary(places, todo, others), highlight=False, soft_wrap=True)


def summary(places: Sequence[Place], todo: Sequence[Sequence[Job]], others: Mapping[str, Sequence[str]]) -> str:
    """The plan in a sentence."""
    asked = [place for place in places if place.asked]
    trainings = [chain[0] for chain in todo]
    jobs = [job for chain in todo for job in chain]
    number = {training.folder: sum(p.training.folder == training.folder for p in asked) for training in trainings}
    shared = sum(count > 1 for count in number.values())
    elsewhere = sum(str(training.folder) in others for training in trainings)
    return (
        f"{counted(len(asked), 'number')} from {counted(len(jobs), 'job')}: {counted(len(trainings), 'training')},"
        f" {counted(len(jobs) - len(trainings), 'evaluation')}; {sum(job.done for job in jobs)} done."
        f" {counted(shared, 'training serves', 'trainings serve')} several numbers,"
        f" {counted(elsewhere, 'serves', 'serve')} other tables too."
    )


def _served(rows: Sequence[Mapping[str, Any]], places: Sequence[Place], training: Job) -> list[str]:
    """The rows and labels that a training serves."""
    names = [
        f"{rows[place.cell.row]['name']} · {place.cell.label}"
        for place in places
        if place.asked and place.training.folder == training.folder
    ]
    return list(dict.fromkeys(names))


def other_tables(ask: Ask) -> dict[str, list[str]]:
    """The trainings that plans of other tables name, each with those tables."""
    found: dict[str, list[str]] = {}
    own = folder_of(ask) / "plan.json"
    for file in sorted(Path(ask.table_dir).resolve().glob("*/*/plan.json")):
        if file != own:
            name = file.parent.relative_to(file.parents[2]).as_posix()
            for training in sorted({cell["training"] for cell in json.loads(file.read_text())["cells"]}):
                found.setdefault(training, []).append(name)
    return found
