"""Print a diagnosis."""

import textwrap
from collections import defaultdict
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.checkup.diagnosis import Diagnosis, Fact, below
from reid_lit.kinds import said


def show(console: Console, diagnosis: Diagnosis) -> None:
    """Print the findings as a table, then their cures, one a line that a terminal copies whole, then the facts.

    Args:
        console: Where to print.
        diagnosis: The findings and facts.
    """
    number = len(diagnosis.findings)
    verdict = "nothing is wrong" if not number else "1 finding" if number == 1 else f"{number} findings"
    color = "red" if number else "green"
    place = escape(str(diagnosis.root.resolve()))
    console.print(f"[bold]{escape(diagnosis.name)}[/bold] in {place}: [bold {color}]{verdict}[/]", soft_wrap=True)
    if number:
        console.print(_findings(diagnosis))
        cures: dict[str, list[str]] = defaultdict(list)
        for position, problem in enumerate(diagnosis.findings, start=1):
            cures[said(problem.cure)].append(str(position))
        console.print("[bold]what mends it[/bold]")
        for cure, numbers in cures.items():
            console.print(f"  [bold]{', '.join(numbers)}[/bold]  {escape(cure)}", soft_wrap=True, highlight=False)
    facts(console, "data set", diagnosis.facts)


def _findings(diagnosis: Diagnosis) -> Table:
    table = Table("", "kind", "where and what", show_lines=True)
    table.columns[2].overflow = "fold"  # nothing is cut off
    for position, problem in enumerate(diagnosis.findings, start=1):
        where = below(problem.place.resolve(), diagnosis.root.resolve())
        lines = [f"[bold]{escape(where)}[/bold]"] if where != "." else []
        lines += [escape(said(problem.fact)), *(f"· {escape(example)}" for example in problem.examples)]
        table.add_row(str(position), escape(said(problem.kind)), "\n".join(lines))
    return table


def facts(console: Console, title: str, entries: Iterable[Fact]) -> None:
    """Print facts below a title, values in a column of their own.

    Args:
        console: Where to print.
        title: What they are about.
        entries: The facts.
    """
    entries = [Fact(name=said(fact.name), value=said(fact.value)) for fact in entries]
    if not entries:
        return
    console.print(f"\n[bold]{escape(title)}[/bold]")
    width = min(max(len(fact.name) for fact in entries), 28)
    for fact in entries:
        room = max(console.width - width - 4, 20)
        lines = textwrap.wrap(fact.value, room, break_long_words=False, break_on_hyphens=False) or [""]
        for name, line in zip([fact.name, *[""] * len(lines)], lines, strict=False):
            console.print(f"  [dim]{escape(name):<{width}}[/dim]  {escape(line)}", soft_wrap=True, highlight=False)
