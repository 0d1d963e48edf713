"""The ledger of claims as text: in the terminal, as Markdown, CSV and LaTeX."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.evaluation import catalogue
from reid_lit.sweeps.plain_text import csv_text, markdown_table
from reid_lit.tables.claims.spec import MEASURES
from reid_lit.tables.report_text import latex

Entry = Mapping[str, Any]

HEAD = ("claim", "published", "ours", "data and network", "seeds", "verdict")
BY_QUERIES = "by queries alone"
FOREIGN = "other data or another network than the paper's"


def number(metric: str, value: float, *, sign: bool = True) -> str:
    """A difference: points with one decimal, ratios and measures with three.

    >>> number("mAP", -1.24), number("R", 0.0123), number("mAP", 0.9, sign=False)
    ('−1.2', '+0.012', '0.9')
    """
    digits = 3 if metric in MEASURES or catalogue.is_ratio(metric) else 1
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def published(entry: Entry) -> str:
    """The published differences in words: by data set and score; several comparisons from the least to the most."""
    parts = []
    for label, scores in entry["published"].items():
        named = [f"{entry['metrics'][metric]} {_range(metric, values)}" for metric, values in scores.items()]
        parts.append(f"{label}: {', '.join(named)}")
    return "; ".join(parts) or "not printed"


def _range(metric: str, values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return "not printed"
    ends = [number(metric, value) for value in (known[0], known[-1])]
    return ends[0] if len(known) == 1 else f"{ends[0]} to {ends[1]}"


def bound(entry: Entry) -> str:
    """What the claim is to be held against, where that is not 0."""
    metric = next(iter(entry["metrics"]))
    if entry["kind"] == "equivalent":
        return f"equivalent within ± {number(metric, entry['margin'], sign=False)}"
    if entry["bound"]:
        return f"more than {number(metric, entry['bound'], sign=False)}"
    return "each falls below the one before" if entry["kind"] == "falls" else ""


def ours(line: Entry) -> str:
    """Our difference with the half-width of its interval, and whose that is."""
    return difference(line) + (f" ({BY_QUERIES})" if by_queries(line) else "")


def by_queries(line: Entry) -> bool:
    """Whether the interval leaves out the seeds."""
    return line["low"] is not None and line["by_seeds"] is None


def difference(line: Entry) -> str:
    """Our difference with the half-width of its interval."""
    if line["mean"] is None:
        return "–"
    mean = number(line["metric"], line["mean"])
    if line["low"] is None:
        return f"{mean} (no interval)"
    return f"{mean} ± {number(line['metric'], line['high'] - line['mean'], sign=False)}"


def measured(entry: Entry, part: Entry) -> str:
    """All our differences on one data set, in words."""
    several = len({line["comparison"] for line in part["lines"]}) > 1
    parts = []
    for line in part["lines"]:
        before = f"{line['comparison']}: " if several else ""
        parts.append(f"{before}{entry['metrics'][line['metric']]} {ours(line)}")
    return "; ".join(parts)


def place_of(part: Entry) -> str:
    """Data, network, whether they are the paper's, and in what the rows are scored differently."""
    foreign = f" ({FOREIGN})" if part["foreign"] else ""
    return f"{part['data']}; {part['network']}{foreign}{differing(part)}"


def differing(part: Entry) -> str:
    """In what the rows are scored differently, as the end of a line."""
    return f"; rows differ in their scoring: {part['differing']}" if part["differing"] else ""


def _rows(part: Entry) -> Iterator[list[str]]:
    """A row for each claim and data set that it is tested on."""
    for entry in part["claims"]:
        claim = f"{entry['says']} ({entry['id']}; {entry['place']})" + (f", {bound(entry)}" if bound(entry) else "")
        if not entry["measured"]:
            yield [claim, published(entry), "–", "; ".join(entry["untested"]), "", entry["verdict"]]
        for found in entry["measured"]:
            seeds = ", ".join(map(str, found["seeds"]))
            yield [claim, published(entry), measured(entry, found), place_of(found), seeds, found["verdict"]]


def summary(numbers: Mapping[str, int]) -> str:
    """How many claims have each verdict.

    >>> summary({"seen": 3, "reversed": 0, "undecided": 1})
    '3 seen, 0 reversed, 1 undecided'
    """
    return ", ".join(f"{count} {name}" for name, count in numbers.items())


def as_markdown(ledger: Entry) -> str:
    """The ledger as a Markdown file."""
    lines = [
        f"# {ledger['title']}", "", f"`{ledger['command']}`; written {ledger['written']}.", "",
        f"Claims: {summary(ledger['counts'])}.", "", *(line for text in ledger["rule"] for line in (text, "")),
    ]  # fmt: skip
    for part in ledger["papers"]:
        rows = list(_rows(part))
        lines += [
            f"## {part['source']}",
            "",
            f"{summary(part['counts'])}.",
            "",
            *markdown_table(HEAD, rows),
            "",
        ]
        todo = [(entry["id"], line) for entry in part["claims"] for line in entry["commands"]]
        if todo:
            lines += [
                "Commands that test what is not tested, and decide what is undecided:",
                "",
                *(f"- {name}: `{line}`" for name, line in todo),
                "",
            ]
        lines += [f"- {entry['id']}: {entry['note']}" for entry in part["claims"] if entry["note"]]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def as_csv(ledger: Entry) -> str:
    """The ledger as CSV, a line for each comparison in a score; points, or a ratio as it is."""
    head = (
        *("paper", "claim", "place", "kind", "bound", "margin", "comparison", "metric", "published", "size", "data"),
        *("network", "foreign", "seeds", "difference", "low", "high", "by_seeds", "by_queries", "verdict"),
        *("claim_verdict", "command", "runs"),
    )  # fmt: skip
    rows = []
    for paper in ledger["papers"]:
        for entry in paper["claims"]:
            start = [paper["paper"], *(entry[key] for key in ("id", "place", "kind", "bound", "margin"))]
            commands = " && ".join(entry["commands"])
            for part in entry["measured"]:
                place = [part[key] for key in ("size", "data", "network", "foreign")]
                for line in part["lines"]:
                    numbers = [line[key] for key in ("mean", "low", "high", "by_seeds", "by_queries", "verdict")]
                    seeds = " ".join(map(str, line["seeds"]))
                    about = [line["comparison"], line["metric"], line["published"], *place, seeds]
                    rows.append([*start, *about, *numbers, entry["verdict"], commands, " ".join(part["runs"])])
            if not entry["measured"]:
                rows.append([*start, *[""] * 8, *[None] * 5, "not tested", entry["verdict"], commands, ""])
    return csv_text(head, rows)


def as_latex(ledger: Entry) -> str:
    """The ledger as LaTeX tables, one a paper, for the packages booktabs and tabularx."""
    lines = [f"% {line}" for line in ledger["rule"]]
    for part in ledger["papers"]:
        caption = f"Claims of {part['source']}: {summary(part['counts'])}"
        lines += [
            r"\begin{table}", r"\centering", rf"\caption{{{latex(caption)}}}",
            r"\begin{tabularx}{\textwidth}{XXXXll}", r"\toprule",
            " & ".join(latex(text) for text in HEAD) + r" \\", r"\midrule",
            *(" & ".join("{" + latex(text) + "}" for text in row) + r" \\" for row in _rows(part)),
            r"\bottomrule", r"\end{tabularx}", r"\end{table}", "",
        ]  # fmt: skip
    return "\n".join(lines)


def show(ledger: Entry) -> None:
    """Print the ledger."""
    console = Console()
    for part in ledger["papers"]:
        table = Table(*HEAD, title=escape(f"{part['source']}: {summary(part['counts'])}"), show_lines=True)
        for row in _rows(part):
            table.add_row(*map(escape, row))
        console.print(table)
    for line in (*ledger["rule"], f"All claims: {summary(ledger['counts'])}"):
        console.print(escape(line), style="dim", highlight=False, soft_wrap=True)
