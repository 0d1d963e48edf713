"""The report of a table: published numbers beside those of our runs, from its plan and the runs' folders."""

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reid_lit.errors import MissingFileError
from reid_lit.evaluation.catalogue import is_ratio
from reid_lit.jobs.job import Job, recorded
from reid_lit.pages.table import table_page
from reid_lit.paths import write_text
from reid_lit.sweeps.seeds import spread
from reid_lit.tables.differences import differences, same_data
from reid_lit.tables.plan import read_plan
from reid_lit.tables.report_text import as_csv, as_latex, as_markdown
from reid_lit.tables.spec import PAPER, dimensions, status


def write_report(folder: Path) -> dict[str, Any]:
    """Write ``report.{json,md,csv,tex,html}`` of the table planned in ``folder``.

    Raises:
        FileNotFoundError: nothing is planned there.
    """
    plan = read_plan(folder)
    if plan is None:
        raise MissingFileError(f"{folder} has no plan.json; run the table first: python -m reid_lit.train +table=…")
    report = report_of(plan)
    write_text(folder / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    for ending, text in (("md", as_markdown(report)), ("csv", as_csv(report)), ("tex", as_latex(report))):
        write_text(folder / f"report.{ending}", text)
    table_page(report, folder)
    return report


def report_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The report, in JSON's types.

    Args:
        plan: What ``plan.json`` says.
    """
    spec = plan["spec"]
    return {
        "title": spec["title"],
        "source": spec["source"],
        "paper": plan["table"].partition("/")[0],
        "table": plan["table"],
        "command": plan["command"],
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "size": plan["size"],
        "metrics": list(spec["metrics"]),
        "unit": spec["unit"],
        "digits": spec.get("digits", 1 if spec["unit"] == "percent" else 3),
        "tolerance": dict(spec.get("tolerance", {})),
        "dimensions": plan["dimensions"] | {"seed": [str(seed) for seed in plan["seeds"]]},
        "labels": _labels(plan),
        "notes": list(spec.get("notes", ())),
        "rows": [_row(plan, place, row) for place, row in enumerate(plan["rows"])],
    }


def _labels(plan: Mapping[str, Any]) -> list[str]:
    """The labels of the columns: those that are run, then those that the paper alone has."""
    own = _product(plan["dimensions"])
    papers = _product(dimensions(plan["spec"], PAPER))
    published = [label for row in plan["rows"] for label in row.get("published", {})]
    return list(dict.fromkeys([*own, *papers, *published]))


def _product(dimension: Mapping[str, Sequence[str]]) -> list[str]:
    parts = [labels for name, labels in dimension.items() if name != "seed"]
    return ["/".join(labels) for labels in itertools.product(*parts)]


def _row(plan: Mapping[str, Any], place: int, row: Mapping[str, Any]) -> dict[str, Any]:
    kind = status(row)
    results = {label: _measured(plan, place, label) for label in _product(plan["dimensions"])}
    if kind == "same_as":
        results = _of_other(plan, str(row["same_as"]))
    published = row.get("published", {})
    labels = [label for label in _labels(plan) if label in published or label in results]
    return {
        "name": str(row["name"]),
        "status": kind,
        "reason": "" if kind in ("run", "quoted") else str(row[kind]),
        "note": str(row.get("note", "")),
        "cells": {
            label: _cell(plan["spec"], published.get(label) or {}, results.get(label) or _nothing()) for label in labels
        },
    }


def _nothing() -> dict[str, Any]:
    return {
        "ours": {}, "state": "not run", "runs": [], "stamp": {}, "hours": None, "machine": "", "differs": [],
        "reproduction": False,
    }  # fmt: skip


def _cell(spec: Mapping[str, Any], published: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """The published numbers and ours; compared only where the data are the paper's."""
    compared = [
        metric
        for metric in spec["metrics"]
        if result["reproduction"] and published.get(metric) is not None and metric in result["ours"]
    ]
    difference = {metric: result["ours"][metric]["mean"] - published[metric] for metric in compared}
    tolerance = spec.get("tolerance", {})
    inside = {
        metric: None if tolerance.get(metric) is None else bool(abs(value) <= tolerance[metric] + 1e-9)
        for metric, value in difference.items()
    }
    return {"published": dict(published), "difference": difference, "inside": inside, **result}


def _measured(plan: Mapping[str, Any], place: int, label: str) -> dict[str, Any]:
    """What the runs of a cell say, over its seeds."""
    cells = [cell for cell in plan["cells"] if cell["row"] == place and cell["label"] == label]
    if not cells:
        return _nothing()
    done = [cell for cell in cells if (Path(cell["folder"]) / "metrics.json").is_file()]
    if not done:
        return _nothing() | {"state": _unfinished(cells)}
    rows = [json.loads((Path(cell["folder"]) / "metrics.json").read_text())["results"][0] for cell in done]
    values = {
        metric: [_scaled(metric, row["scores"][metric], plan["spec"]["unit"]) for row in rows]
        for metric in plan["spec"]["metrics"]
        if all(row["scores"].get(metric) is not None for row in rows)
    }
    recipe = next((r["config"] for r in plan["recipes"] if (r["row"], r["label"]) == (place, label)), None)
    first = recipe or next((r["config"] for r in plan["recipes"] if r["row"] == place), None)
    config = _config(Path(done[0]["folder"]))
    environment = _environment(Path(done[0]["training"]))
    return {
        "ours": {metric: spread(parts) for metric, parts in values.items()},
        "state": _state(cells, done, values),
        "runs": [cell["folder"] for cell in done],
        "stamp": rows[0]["stamp"],
        "hours": _hours(done),
        "machine": _machine(environment),
        "differs": [] if first is None else differences(first, config, environment.get("gpus")),
        "reproduction": plan["size"] == PAPER
        and recipe is not None
        and all(same_data(recipe, config, row["dataset"], row["stamp"]) for row in rows),
    }


def _state(cells: Sequence[Any], done: Sequence[Any], values: Mapping[str, Any]) -> str:
    if not values:
        return "missing"
    return "done" if len(done) == len(cells) else "partly"


def _unfinished(cells: Sequence[Mapping[str, Any]]) -> str:
    """``failed`` where a job of the cell failed, else ``not run``."""
    folders = {Path(cell[key]) for cell in cells for key in ("training", "folder")}
    failed = any(Job(name="", folder=folder, overrides=()).state() in ("failed", "killed") for folder in folders)
    return "failed" if failed else "not run"


def _scaled(metric: str, value: float, unit: str) -> float:
    """A score in the table's unit; a ratio as it is, whatever the unit."""
    return value * (100 if unit == "percent" and not is_ratio(metric) else 1)


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.yaml"
    return OmegaConf.to_container(OmegaConf.load(file)) if file.is_file() else {}  # type: ignore[return-value]


def _environment(training: Path) -> dict[str, Any]:
    file = training / "environment.json"
    return json.loads(file.read_text())[-1] if file.is_file() else {}


def _machine(environment: Mapping[str, Any]) -> str:
    if not environment:
        return ""
    gpus = environment.get("gpus") or []
    if gpus:
        return ", ".join(f"{gpus.count(name)} × {name}" for name in dict.fromkeys(gpus))
    return f"{environment.get('machine', '')}, {environment.get('threads', '?')} threads, no GPU"


def _hours(done: Sequence[Mapping[str, Any]]) -> float | None:
    """Hours of a training, mean over seeds, with what a killed start of it took as far as that is known."""
    hours = []
    for cell in done:
        folder = Path(cell["training"])
        seconds = [start["seconds"] for start in recorded(folder).get("starts", []) if "seconds" in start]
        if not seconds and (folder / "metrics.json").is_file():
            seconds = [json.loads((folder / "metrics.json").read_text()).get("train_seconds") or 0.0]
        hours += [sum(seconds) / 3600] if seconds else []
    return round(statistics.fmean(hours), 4) if hours else None


def _of_other(plan: Mapping[str, Any], named: str) -> dict[str, Any]:
    """The results of the row ``<paper>/<table>/<row>`` of another table; none where that has no plan yet."""
    paper, table, name = named.split("/", 2)
    suffix = "" if plan["size"] == PAPER else f"-{plan['size']}"
    folder = Path(plan["table_dir"]) / paper / (table + suffix)
    other = plan if f"{paper}/{table}" == plan["table"] else read_plan(folder)
    rows = [] if other is None else [n for n, row in enumerate(other["rows"]) if str(row["name"]) == name]
    if other is None or not rows:
        return {}
    return {label: _measured(other, rows[0], label) for label in _product(other["dimensions"])}
