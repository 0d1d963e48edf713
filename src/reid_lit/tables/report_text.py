"""A report as text: in the terminal, as Markdown, CSV and LaTeX."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.evaluation import catalogue
from reid_lit.pages.facts import number

_NO_REPRODUCTION = "not the paper's data: no reproduction"


def figures(report: Mapping[str, Any], cell: Mapping[str, Any], metric: str, arrow: str = "→") -> str:
    """``published → mean ± deviation (n)``, with what there is of it."""
    published, ours = cell["published"].get(metric), cell["ours"].get(metric)
    left = "" if published is None else number(report, metric, published)
    if ours is None:
        missing = {"failed": "failed", "missing": "no such score"}.get(cell["state"], "")
        return f"{left} {arrow} {missing}".strip() if missing else left
    spread = "" if ours["sd"] is None else f" ± {number(report, metric, ours['sd'])}"
    count = f" (n={ours['n']})" if ours["n"] > 1 or cell["state"] == "partly" else ""
    right = f"{number(report, metric, ours['mean'])}{spread}{count}"
    if not cell["reproduction"]:
        return f"{left} | {right}".removeprefix(" | ").replace("|", "¦")
    return f"{left} {arrow} {right}" if left else right


def verdict(report: Mapping[str, Any], cell: Mapping[str, Any], metric: str) -> str:
    """The difference and whether it is inside the tolerance; empty without a reproduction."""
    if metric not in cell["difference"]:
        return ""
    inside = {True: " inside", False: " outside", None: ""}[cell["inside"][metric]]
    return f"{number(report, metric, cell['difference'][metric], sign=True)}{inside}"


def columns(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The columns in the paper's order: each label with each metric that a row has there."""
    return [
        (label, metric)
        for label in report["labels"]
        for metric in report["metrics"]
        if any(
            metric in row["cells"][label]["published"] or metric in row["cells"][label]["ours"]
            for row in report["rows"]
            if label in row["cells"]
        )
    ] or [(label, metric) for label in report["labels"] for metric in report["metrics"]]


def _texts(report: Mapping[str, Any], row: Mapping[str, Any], arrow: str = "→") -> list[str]:
    texts = []
    for label, metric in columns(report):
        cell = row["cells"].get(label)
        texts.append(
            "" if cell is None else _joined(figures(report, cell, metric, arrow), verdict(report, cell, metric))
        )
    return texts


def _joined(figure: str, said: str) -> str:
    return f"{figure} [{said}]" if said else figure


def _name(row: Mapping[str, Any]) -> str:
    mark = {"quoted": " (quoted)", "waiting": " (waiting)", "same_as": " (same as)"}.get(row["status"], "")
    return row["name"] + mark


def _headers(report: Mapping[str, Any]) -> list[str]:
    unit = {"percent": " %", "fraction": ""}.get(report["unit"], f" {report['unit']}")
    return [
        f"{label} {catalogue.label(metric)}{'' if catalogue.is_ratio(metric) else unit}"
        for label, metric in columns(report)
    ]


def remarks(report: Mapping[str, Any]) -> list[str]:
    """What stands below the table: how it was measured, what it took, what differs, where the paper errs."""
    lines = []
    if report["size"] != "paper":
        lines.append("Laptop variant: synthetic data and small backbones; no number of ours is a reproduction.")
    cells = [(row["name"], label, cell) for row in report["rows"] for label, cell in row["cells"].items()]
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, label, cell in cells:
        if cell["runs"]:
            facts: tuple[str, ...] = (_stamp(cell["stamp"]), _effort(cell), _differs(cell))
            groups.setdefault(facts, []).append(f"{name} · {label}")
    for facts, names in groups.items():
        lines.append(f"{'; '.join(names)}: " + ". ".join(fact for fact in facts if fact))
    lines += [f"{row['name']}: {row['reason']}" for row in report["rows"] if row["reason"]]
    lines += [f"{row['name']}: {row['note']}" for row in report["rows"] if row["note"]]
    return lines + [str(note) for note in report["notes"]]


def _stamp(stamp: Mapping[str, Any]) -> str:
    parts = [
        f"protocol {stamp.get('protocol', '?')}", f"AP by {stamp.get('ap', '?')}",
        f"{stamp.get('distance', '?')} distance of the {stamp.get('feature', '?')}", f"{stamp.get('camera_rule', '?')}",
        f"test-time augmentation {stamp.get('test_time_augmentation', '?')}",
        f"re-ranking {stamp.get('reranking', '?')}",
        f"{stamp.get('valid_queries', '?')} queries",
    ]  # fmt: skip
    return ", ".join(parts)


def _effort(cell: Mapping[str, Any]) -> str:
    hours = "" if cell["hours"] is None else f"{cell['hours']:.2f} h a training on "
    return f"{hours}{cell['machine']}"


def _differs(cell: Mapping[str, Any]) -> str:
    said = "" if cell["reproduction"] else f"{_NO_REPRODUCTION[0].upper()}{_NO_REPRODUCTION[1:]}"
    settings = f"Differs from the recipe: {'; '.join(cell['differs'])}" if cell["differs"] else "As in the recipe"
    return f"{said}. {settings}" if said else settings


def as_markdown(report: Mapping[str, Any]) -> str:
    """The report as a Markdown file."""
    headers = ["", *_headers(report)]
    rows = [[_name(row), *_texts(report, row)] for row in report["rows"]]
    lines = [
        f"# {report['title']}", "",
        f"{report['source']}; `{report['command']}`; written {report['written']}.",
        "Published → ours, mean ± standard deviation over n seeds [difference, inside or outside the tolerance].", "",
        *(_markdown_line(line) for line in (headers, ["---"] * len(headers), *rows)),
        "", *(f"- {line}" for line in remarks(report)),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def as_csv(report: Mapping[str, Any]) -> str:
    """The report as CSV, a line a number."""
    stream = io.StringIO()
    fields = (
        "row", "status", "label", "metric", "published", "mean", "sd", "n", "difference", "inside", "state",
        "reproduction", "hours", "machine", "differs", "runs",
    )  # fmt: skip
    writer = csv.DictWriter(stream, fields, lineterminator="\n")
    writer.writeheader()
    for row in report["rows"]:
        for label, cell in row["cells"].items():
            for metric in report["metrics"]:
                ours = cell["ours"].get(metric, {})
                line = {"row": row["name"], "status": row["status"], "label": label, "metric": metric}
                line |= {"published": cell["published"].get(metric), **ours}
                line |= {key: cell[key].get(metric) for key in ("difference", "inside")}
                line |= {key: cell[key] for key in ("state", "reproduction", "hours", "machine")}
                writer.writerow(line | {key: "; ".join(cell[key]) for key in ("differs", "runs")})
    return stream.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "→": r"$\to$", "±": r"$\pm$", "−": r"$-$", "¦": "/",
    "·": r"$\cdot$", "×": r"$\times$",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def as_latex(report: Mapping[str, Any]) -> str:
    """The report as a LaTeX table, for the package booktabs."""
    rows = [[_name(row), *_texts(report, row)] for row in report["rows"]]
    caption = f"{report['title']} ({report['source']}): published → ours"
    caption += "" if report["size"] == "paper" else f"; {_NO_REPRODUCTION}"
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(columns(report))}}}", r"\toprule",
        " & ".join(_latex(text) for text in ["", *_headers(report)]) + r" \\", r"\midrule",
        *(" & ".join("{" + _latex(text) + "}" for text in row) + r" \\" for row in rows),
        r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def show(report: Mapping[str, Any]) -> None:
    """Print the report."""
    console = Console()
    table = Table("", *map(escape, _headers(report)), title=escape(f"{report['title']} ({report['source']})"))
    for row in report["rows"]:
        table.add_row(escape(_name(row)), *map(escape, _texts(report, row)))
    console.print(table)
    for line in remarks(report):
        console.print(escape(line), style="dim", highlight=False, soft_wrap=True)
