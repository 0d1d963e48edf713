"""A report as text: in the terminal, as Markdown, CSV and LaTeX."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from reid_lit.evaluation import catalogue
from reid_lit.pages.facts import number
from reid_lit.sweeps.plain_text import csv_text, markdown_table, print_table
from reid_lit.tables.spec import SMALL

_NO_REPRODUCTION = "not the paper's data and network: no reproduction"


def figures(report: Mapping[str, Any], cell: Mapping[str, Any], metric: str) -> str:
    """``published → mean ± deviation (n)``, or the parts of it that are known."""
    published, ours = cell["published"].get(metric), cell["ours"].get(metric)
    left = "" if published is None else number(report, metric, published)
    if ours is None:
        missing = {"failed": "failed", "missing": "no such score"}.get(cell["state"], "")
        return f"{left} → {missing}".strip() if missing else left
    spread = "" if ours["sd"] is None else f" ± {number(report, metric, ours['sd'])}"
    count = f" (n={ours['n']})" if ours["n"] > 1 or cell["state"] == "partly" else ""
    right = f"{number(report, metric, ours['mean'])}{spread}{count}"
    if not cell["reproduction"]:
        return f"{left} | {right}".removeprefix(" | ").replace("|", "¦")
    return f"{left} → {right}" if left else right


def verdict(report: Mapping[str, Any], cell: Mapping[str, Any], metric: str) -> str:
    """The difference and whether it is inside the tolerance; empty without a reproduction."""
    if metric not in cell["difference"]:
        return ""
    inside = {True: " inside", False: " outside", None: ""}[cell["inside"][metric]]
    return f"{number(report, metric, cell['difference'][metric], sign=True)}{inside}"


def columns(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The columns in the paper's order: each label with each metric that a row has there."""
    columns = [(label, metric) for label in report["labels"] for metric in report["metrics"]]
    return [column for column in columns if _has_number(report, *column)] or columns


def _has_number(report: Mapping[str, Any], label: str, metric: str) -> bool:
    cells = [row["cells"][label] for row in report["rows"] if label in row["cells"]]
    return any(metric in cell["published"] or metric in cell["ours"] for cell in cells)


def _texts(report: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """The cells of a row, each with its verdict."""
    texts = []
    for label, metric in columns(report):
        cell = row["cells"].get(label)
        text = "" if cell is None else figures(report, cell, metric)
        judged = "" if cell is None else verdict(report, cell, metric)
        texts.append(f"{text} [{judged}]" if judged else text)
    return texts


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
    """The lines below the table: how it was measured, how long it took, what differs, where the paper errs."""
    lines = []
    if report["size"] in SMALL:
        lines.append(f"size={report['size']}: {SMALL[report['size']]}; no number of ours is a reproduction.")
    for facts, names in _by_facts(report).items():
        lines.append(f"{'; '.join(names)}: " + ". ".join(fact for fact in facts if fact))
    lines += _spreads(report)
    for key in ("reason", "note"):
        lines += [f"{row['name']}: {row[key]}" for row in report["rows"] if row[key]]
    return lines + [str(note) for note in report["notes"]]


def _spreads(report: Mapping[str, Any]) -> list[str]:
    """How far the splits of a test lie apart, a line for each cell that is a mean over splits."""
    lines = []
    for row in report["rows"]:
        for label, cell in row["cells"].items():
            if splits := cell.get("splits"):
                parts = [
                    f"{catalogue.label(metric)} ± {number(report, metric, value)}"
                    for metric, value in splits["deviations"].items()
                ]
                mean = f"mean over {splits['number']} splits, {', '.join(parts)} over them"
                lines.append(f"{row['name']} · {label}: {mean}")
    return lines


def _by_facts(report: Mapping[str, Any]) -> dict[tuple[str, ...], list[str]]:
    """The cells that were run, by how they came about."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in report["rows"]:
        for label, cell in row["cells"].items():
            if cell["runs"]:
                facts: tuple[str, ...] = (_stamp(cell["stamp"]), _effort(cell), _differs(cell))
                groups.setdefault(facts, []).append(f"{row['name']} · {label}")
    return groups


def _stamp(stamp: Mapping[str, Any]) -> str:
    parts = [
        f"protocol {stamp.get('protocol', '?')}", f"AP by {stamp.get('ap', '?')}",
        f"{stamp.get('distance', '?')} distance of the {stamp.get('feature', '?')}", f"{stamp.get('camera_rule', '?')}",
        *([stamp["clothes_rule"]] if "clothes_rule" in stamp else []),
        f"test-time augmentation {stamp.get('test_time_augmentation', '?')}",
        f"re-ranking {stamp.get('reranking', '?')}",
        f"{stamp.get('valid_queries', '?')} queries",
        *([f"precision {stamp['precision']}"] if "precision" in stamp else []),
    ]  # fmt: skip
    return ", ".join(parts)


def _effort(cell: Mapping[str, Any]) -> str:
    hours = "" if cell["hours"] is None else f"{cell['hours']:.2f} h a training on "
    return f"{hours}{cell['machine']}"


def _differs(cell: Mapping[str, Any]) -> str:
    settings = f"Differs from the recipe: {'; '.join(cell['differs'])}" if cell["differs"] else "As in the recipe"
    return settings if cell["reproduction"] else f"{_NO_REPRODUCTION[0].upper()}{_NO_REPRODUCTION[1:]}. {settings}"


def as_markdown(report: Mapping[str, Any]) -> str:
    """The report as a Markdown file."""
    rows = [[_name(row), *_texts(report, row)] for row in report["rows"]]
    lines = [
        f"# {report['title']}", "",
        f"{report['source']}; `{report['command']}`; written {report['written']}.",
        "Published → ours, mean ± standard deviation over n seeds [difference, inside or outside the tolerance].", "",
        *markdown_table(["", *_headers(report)], rows), "",
        *(f"- {line}" for line in remarks(report)),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def as_csv(report: Mapping[str, Any]) -> str:
    """The report as CSV, a line a number."""
    head = (
        *("row", "status", "label", "metric", "published", "mean", "sd", "n", "difference", "inside"),
        *("state", "reproduction", "hours", "machine", "differs", "runs"),
    )
    rows = []
    for row in report["rows"]:
        for label, cell in row["cells"].items():
            end = [cell[key] for key in ("state", "reproduction", "hours", "machine")]
            end += ["; ".join(cell[key]) for key in ("differs", "runs")]
            for metric in report["metrics"]:
                ours = cell["ours"].get(metric, {})
                numbers = [cell["published"].get(metric), *(ours.get(key) for key in ("mean", "sd", "n"))]
                numbers += [cell[key].get(metric) for key in ("difference", "inside")]
                rows.append([row["name"], row["status"], label, metric, *numbers, *end])
    return csv_text(head, rows)


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "→": r"$\to$", "±": r"$\pm$", "−": r"$-$", "¦": "/",
    "·": r"$\cdot$", "×": r"$\times$", "√": r"$\surd$", "²": r"$^2$", "σ": r"$\sigma$", "β": r"$\beta$",
}  # fmt: skip


def latex(text: str) -> str:
    """A text as LaTeX has it."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def as_latex(report: Mapping[str, Any]) -> str:
    """The report as a LaTeX table, for the package booktabs."""
    rows = [[_name(row), *_texts(report, row)] for row in report["rows"]]
    caption = f"{report['title']} ({report['source']}): published → ours"
    caption += "" if report["size"] == "paper" else f"; {_NO_REPRODUCTION}"
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{latex(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(columns(report))}}}", r"\toprule",
        " & ".join(latex(text) for text in ["", *_headers(report)]) + r" \\", r"\midrule",
        *(" & ".join("{" + latex(text) + "}" for text in row) + r" \\" for row in rows),
        r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def show(report: Mapping[str, Any]) -> None:
    """Print the report."""
    console = Console()
    rows = [[_name(row), *_texts(report, row)] for row in report["rows"]]
    print_table(console, ["", *_headers(report)], rows, title=f"{report['title']} ({report['source']})")
    for line in remarks(report):
        console.print(escape(line), style="dim", highlight=False, soft_wrap=True)
