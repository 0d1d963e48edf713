"""A matrix as Markdown and CSV, and the words of its cells."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from reid_lit.evaluation import catalogue
from reid_lit.run.results import sentence

SHOWN = ("mAP", "rank1")
"""The scores of a cell."""

NOTHING = "–"
OWN = "the source is the target"


def details(matrix: Mapping[str, Any]) -> dict[str, str]:
    """The scores that stand below the cells, and their names; ``-nd``: everything of the query's camera removed."""
    measured = {key for cell in matrix["cells"] for key in cell["scores"]}
    twice = [metric.key for metric in catalogue.METRICS if metric.without_camera]
    keys = [f"{key}{catalogue.ND}" for key in dict.fromkeys([*SHOWN, *twice]) if key in twice]
    keys += [key for key in catalogue.columns(measured) if key not in SHOWN]
    return {key: catalogue.heading(key) for key in keys}


def number(score: Mapping[str, Any] | None) -> str:
    """A score in %, with its standard deviation where there are several seeds.

    >>> number({"mean": 0.5, "sd": 0.012, "n": 3}), number({"mean": 0.5, "sd": None, "n": 1})
    ('50.0 ± 1.2', '50.0')
    """
    if score is None:
        return NOTHING
    mean = f"{100 * score['mean']:.1f}"
    return mean if score["sd"] is None else f"{mean} ± {100 * score['sd']:.1f}"


def points(difference: Mapping[str, float]) -> str:
    """What is gained over direct transfer, as ``+1.2 / −0.4``; empty where there is nothing to compare."""
    if not all(key in difference for key in SHOWN):
        return ""
    return " / ".join(f"{difference[key]:+.1f}".replace("-", "−") for key in SHOWN)


def scores(cell: Mapping[str, Any]) -> str:
    """``mAP / rank-1`` of a cell."""
    return " / ".join(number(cell["scores"].get(key)) for key in SHOWN) if cell["scores"] else NOTHING


def words(cell: Mapping[str, Any] | None) -> str:
    """A cell on one line: its scores, what is gained, and why it is empty or what it is."""
    if cell is None:
        return f"{NOTHING} ({OWN})"
    gained = f" ({points(cell['difference'])})" if points(cell["difference"]) else ""
    own = " supervised" if cell["kind"] == "supervised" and cell["scores"] else ""
    short = cell["state"] if cell["state"] in ("missing", "failed", "not run", "partly") else ""
    return f"{scores(cell)}{gained}{own}{f' [{short}]' if short else ''}"


def blocks(matrix: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A block for each target: its rows in the order of the methods, a cell for each source (None: no such cell)."""
    places = {(cell["target"], cell["method"], cell["source"]): cell for cell in matrix["cells"]}

    def row(target: str, method: str, says: str) -> dict[str, Any]:
        found = [places.get((target, method, source)) for source in matrix["sources"]]
        return {"method": method, "says": says, "cells": found}

    return [
        {
            "target": target,
            "protocols": protocols(matrix, target),
            "rows": [row(target, *method) for method in matrix["methods"].items()],
        }
        for target in matrix["targets"]
    ]  # fmt: skip


def protocols(matrix: Mapping[str, Any], target: str) -> list[str]:
    """The protocol stamps of a target's results in words, each with the methods that have it."""
    found: dict[str, list[str]] = {}
    for cell in matrix["cells"]:
        if cell["target"] == target and cell["stamp"]:
            names = found.setdefault(sentence(cell["stamp"]), [])
            names += [cell["method"]] if cell["method"] not in names else []
    return [text if len(found) == 1 else f"{', '.join(names)}: {text}" for text, names in found.items()]


def notes(matrix: Mapping[str, Any]) -> list[str]:
    """Why cells are empty or hold less than was asked for, and which comparisons are not of one protocol."""
    found = []
    for cell in matrix["cells"]:
        place = f"{cell['method']}, {cell['source']} → {cell['target']}"
        said = f"left empty: {cell['reason']}" if cell["state"] == "missing" else f"{place}: {cell['reason']}"
        found += [said] if cell["reason"] else []
        found += [f"{place}: compared across protocols: {'; '.join(cell['differs'])}"] if cell["differs"] else []
    return list(dict.fromkeys(found))


def markdown(matrix: Mapping[str, Any]) -> str:
    """The matrix as Markdown: a table for each target, then details, protocols, notes and runs."""
    lines = [f"# {matrix['title']}", "", *(line for fact in about(matrix) for line in (fact, ""))]
    for block in blocks(matrix):
        head = ["method", *(f"from {source}" for source in matrix["sources"])]
        lines += [
            f"## On {block['target']}",
            "",
            *_table(head, [[r["method"], *map(words, r["cells"])] for r in block["rows"]]),
        ]
        lines += ["", *(line for text in block["protocols"] for line in (f"Protocol: {text}.", ""))]
        headings = details(matrix)
        more = [key for key in headings if any(c and key in c["scores"] for r in block["rows"] for c in r["cells"])]
        if more:
            rows = [
                [f"{r['method']}, from {c['source']}", *(number(c["scores"].get(key)) for key in more)]
                for r in block["rows"] for c in r["cells"] if c and c["scores"]
            ]  # fmt: skip
            lines += [*_table(["details", *(headings[key] for key in more)], rows), ""]
    lines += ["## Methods", "", *(f"- {name}: {says}" for name, says in matrix["methods"].items()), ""]
    if found := notes(matrix):
        lines += ["## Notes", "", *(f"- {_escaped(note)}" for note in found), ""]
    runs = list(dict.fromkeys(each["folder"] for cell in matrix["cells"] for each in cell["runs"]))
    lines += ["## Runs", "", *(f"- `{run}`" for run in runs)] if runs else []
    return "\n".join(lines).rstrip() + "\n"


def about(matrix: Mapping[str, Any]) -> list[str]:
    """What the numbers are, and how they came about."""
    seeds = ", ".join(map(str, matrix["seeds"]))
    spread = ", mean ± standard deviation over seeds" if len(matrix["seeds"]) > 1 else ""
    return [
        f"mAP / rank-1 in %{spread} (seeds {seeds}); in brackets the points gained over direct transfer with the same"
        f" network and seeds. Targets' labels are used for testing alone, but in the cells marked supervised.",
        f"`{matrix['command']}`, written {matrix['written']}.",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines]


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def comma_separated(matrix: Mapping[str, Any]) -> str:
    """The matrix as CSV, a line for each cell; scores in %, differences in points."""
    keys = [*SHOWN, *details(matrix)]
    head = ["target", "source", "method", "kind", "state", "seeds"]
    head += [column for key in keys for column in (key, f"{key}_sd")]
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow([*head, "beside", *(f"{key}_difference" for key in SHOWN), "reason"])
    for cell in matrix["cells"]:
        numbers = [cell["scores"].get(key, {}).get(part) for key in keys for part in ("mean", "sd")]
        gained = [cell["difference"].get(key) for key in SHOWN]
        lines.writerow([
            cell["target"], cell["source"], cell["method"], cell["kind"], cell["state"], len(cell["seeds"]),
            *("" if value is None else f"{100 * value:.2f}" for value in numbers),
            cell["beside"] or "", *("" if value is None else f"{value:.2f}" for value in gained), cell["reason"],
        ])  # fmt: skip
    return file.getvalue()
