"""A matrix as Markdown and CSV, and the words of its cells."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_lit.evaluation import catalogue
from reid_lit.run.results import sentence
from reid_lit.sweeps.plain_text import csv_text, escaped, markdown_table

SHOWN = ("mAP", "rank1")
"""The scores of a cell."""

NOTHING = "–"
OWN = "the source is the target"


def details(matrix: Mapping[str, Any]) -> dict[str, str]:
    """The scores below the cells, and their names; ``-nd``: everything of the query's camera removed."""
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
    """The points gained over direct transfer, as ``+1.2 / −0.4``; empty where there is nothing to compare."""
    if not all(key in difference for key in SHOWN):
        return ""
    return " / ".join(f"{difference[key]:+.1f}".replace("-", "−") for key in SHOWN)


def scores(cell: Mapping[str, Any]) -> str:
    """``mAP / rank-1`` of a cell."""
    return " / ".join(number(cell["scores"].get(key)) for key in SHOWN) if cell["scores"] else NOTHING


def words(cell: Mapping[str, Any] | None) -> str:
    """A cell on one line: its scores, the points gained, and why it is empty or what it is."""
    if cell is None:
        return f"{NOTHING} ({OWN})"
    gained = f" ({points(cell['difference'])})" if points(cell["difference"]) else ""
    own = " supervised" if cell["kind"] == "supervised" and cell["scores"] else ""
    short = cell["state"] if cell["state"] in ("missing", "failed", "not run", "partly") else ""
    return f"{scores(cell)}{gained}{own}{f' [{short}]' if short else ''}"


def blocks(matrix: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A block for each target: its rows in the order of the methods, a cell for each source (None: no such cell)."""
    places = {(cell["target"], cell["method"], cell["source"]): cell for cell in matrix["cells"]}
    found = []
    for target in matrix["targets"]:
        rows = []
        for method, says in matrix["methods"].items():
            cells = [places.get((target, method, source)) for source in matrix["sources"]]
            rows.append({"method": method, "says": says, "cells": cells})
        found.append({"target": target, "protocols": protocols(matrix, target), "rows": rows})
    return found


def protocols(matrix: Mapping[str, Any], target: str) -> list[str]:
    """The protocol stamps of a target's results in words, each with the methods that have it."""
    methods: dict[str, list[str]] = {}
    for cell in matrix["cells"]:
        if cell["target"] == target and cell["stamp"]:
            names = methods.setdefault(sentence(cell["stamp"]), [])
            if cell["method"] not in names:
                names.append(cell["method"])
    return [text if len(methods) == 1 else f"{', '.join(names)}: {text}" for text, names in methods.items()]


def notes(matrix: Mapping[str, Any]) -> list[str]:
    """Why cells are empty or lack seeds, and which comparisons are of two protocols."""
    lines = []
    for cell in matrix["cells"]:
        place = f"{cell['method']}, {cell['source']} → {cell['target']}"
        if cell["reason"]:
            lines.append(f"{'left empty' if cell['state'] == 'missing' else place}: {cell['reason']}")
        if cell["differs"]:
            lines.append(f"{place}: compared across protocols: {'; '.join(cell['differs'])}")
    return list(dict.fromkeys(lines))


def markdown(matrix: Mapping[str, Any]) -> str:
    """The matrix as Markdown: a table for each target, then details, protocols, notes and runs."""
    lines = [f"# {matrix['title']}", "", *_paragraphs(about(matrix))]
    for block in blocks(matrix):
        lines += _block_lines(matrix, block)
    lines += ["## Methods", "", *(f"- {name}: {says}" for name, says in matrix["methods"].items()), ""]
    if remarks := notes(matrix):
        lines += ["## Notes", "", *(f"- {escaped(note)}" for note in remarks), ""]
    runs = dict.fromkeys(run["folder"] for cell in matrix["cells"] for run in cell["runs"])
    if runs:
        lines += ["## Runs", "", *(f"- `{run}`" for run in runs)]
    return "\n".join(lines).rstrip() + "\n"


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in (text, "")]


def _block_lines(matrix: Mapping[str, Any], block: Mapping[str, Any]) -> list[str]:
    """The Markdown of a target: its table, its protocols, and more scores of its cells."""
    head = ["method", *(f"from {source}" for source in matrix["sources"])]
    rows = [[row["method"], *map(words, row["cells"])] for row in block["rows"]]
    lines = [f"## On {block['target']}", "", *markdown_table(head, rows, align="---:"), ""]
    lines += _paragraphs([f"Protocol: {text}." for text in block["protocols"]])
    cells = [cell for row in block["rows"] for cell in row["cells"] if cell and cell["scores"]]
    headings = details(matrix)
    keys = [key for key in headings if any(key in cell["scores"] for cell in cells)]
    if keys:
        more = [[_place(cell), *(number(cell["scores"].get(key)) for key in keys)] for cell in cells]
        lines += [*markdown_table(["details", *(headings[key] for key in keys)], more, align="---:"), ""]
    return lines


def _place(cell: Mapping[str, Any]) -> str:
    return f"{cell['method']}, from {cell['source']}"


def about(matrix: Mapping[str, Any]) -> list[str]:
    """What the numbers are, and how they came about."""
    seeds = ", ".join(map(str, matrix["seeds"]))
    spread = ", mean ± standard deviation over seeds" if len(matrix["seeds"]) > 1 else ""
    return [
        f"mAP / rank-1 in %{spread} (seeds {seeds}); in brackets the points gained over direct transfer with the same"
        f" network and seeds. Targets' labels are used for testing alone, but in the cells marked supervised.",
        f"`{matrix['command']}`, written {matrix['written']}.",
    ]


def comma_separated(matrix: Mapping[str, Any]) -> str:
    """The matrix as CSV, a line for each cell; scores in %, differences in points."""
    keys = [*SHOWN, *details(matrix)]
    head = ["target", "source", "method", "kind", "state", "seeds"]
    head += [column for key in keys for column in (key, f"{key}_sd")]
    head += ["beside", *(f"{key}_difference" for key in SHOWN), "reason"]
    return csv_text(head, [_csv_line(cell, keys) for cell in matrix["cells"]])


def _csv_line(cell: Mapping[str, Any], keys: Sequence[str]) -> list[Any]:
    numbers = [cell["scores"].get(key, {}).get(part) for key in keys for part in ("mean", "sd")]
    gained = [cell["difference"].get(key) for key in SHOWN]
    return [
        *(cell[key] for key in ("target", "source", "method", "kind", "state")),
        len(cell["seeds"]),
        *("" if value is None else f"{100 * value:.2f}" for value in numbers),
        cell["beside"] or "",
        *("" if value is None else f"{value:.2f}" for value in gained),
        cell["reason"],
    ]
