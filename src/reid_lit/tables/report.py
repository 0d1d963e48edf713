"""The report of a table: published numbers next to those of our runs, from its plan and the runs' folders."""

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reid_lit.errors import MissingFileError
from reid_lit.evaluation.catalogue import is_ratio
from reid_lit.paths import write_text
from reid_lit.run.added_keys import with_added
from reid_lit.run.folder import Run
from reid_lit.run.moved import renamed
from reid_lit.sweeps.seeds import spread
from reid_lit.tables.differences import by_seed, cut, differences, same_data
from reid_lit.tables.plan_file import read_plan
from reid_lit.tables.report_text import as_csv, as_latex, as_markdown
from reid_lit.tables.results import SeedResult, config_of, hours_of, machine_of, read_cell, state_of, stopped
from reid_lit.tables.spec import PAPER, dimensions, status, suffix


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
    from reid_lit.pages.table import table_page  # imported when there is a page to write: a plan has none

    table_page(report, folder)
    return report


def report_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The report, in JSON's types.

    Args:
        plan: The content of ``plan.json``.
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
        "ours": {}, "splits": {}, "state": "not run", "runs": [], "stamp": {}, "hours": None, "machine": "",
        "differs": [], "reproduction": False,
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
    """Our numbers of a cell, over its seeds, and how they came about."""
    cells = [cell for cell in plan["cells"] if cell["row"] == place and cell["label"] == label]
    read = [read_cell(cell) for cell in cells]
    results = [result for result in read if result is not None]
    if not results:
        folders = dict.fromkeys(Path(cell[key]) for cell in cells for key in ("training", "folder"))
        return _nothing() | {"state": state_of(0, len(cells), failed=bool(stopped(folders)))}
    ours = _in_unit(plan["spec"], results)
    return {
        "ours": ours,
        "splits": _over_splits(plan["spec"], results),
        "state": state_of(len(results), len(cells), failed=False) if ours else "missing",
        "runs": [str(result.folder) for result in results],
        "stamp": _stamp(results),
        "hours": hours_of([result.training for result in results]),
        **_compared(plan, place, label, results),
    }


def _in_unit(spec: Mapping[str, Any], results: Sequence[SeedResult]) -> dict[str, Any]:
    """Mean and deviation of the scores that all results have, in the table's unit."""
    ours = {}
    for metric in spec["metrics"]:
        values = [value for result in results if (value := result.scores.get(metric)) is not None]
        if len(values) == len(results):
            ours[metric] = spread([_factor(spec, metric) * value for value in values])
    return ours


def _factor(spec: Mapping[str, Any], metric: str) -> int:
    return 1 if is_ratio(metric) or spec["unit"] != "percent" else 100


def _over_splits(spec: Mapping[str, Any], results: Sequence[SeedResult]) -> dict[str, Any]:
    """The number of a test's splits and the deviation of each score over them, the mean over seeds; {} without splits.

    >>> row = {"splits": [0, 1], "deviations": {"mAP": 0.03}}
    >>> result = SeedResult(seed=0, training=Path(), folder=Path(), row=row)
    >>> _over_splits({"metrics": ["mAP"], "unit": "percent"}, [result])
    {'number': 2, 'deviations': {'mAP': 3.0}}
    """
    rows = [result.row for result in results]
    if not all(row.get("deviations") for row in rows):
        return {}
    shared = [metric for metric in spec["metrics"] if all(metric in row["deviations"] for row in rows)]
    means = {metric: statistics.fmean(row["deviations"][metric] for row in rows) for metric in shared}
    return {
        "number": len(rows[0].get("splits", ())),
        "deviations": {metric: _factor(spec, metric) * mean for metric, mean in means.items()},
    }


def _compared(plan: Mapping[str, Any], place: int, label: str, results: Sequence[SeedResult]) -> dict[str, Any]:
    """The machine, the differences from the recipe, and whether these numbers may be compared with the paper's."""
    recipes = {(recipe["row"], recipe["label"]): with_added(renamed(recipe["config"])) for recipe in plan["recipes"]}
    recipe = recipes.get((place, label))
    nearest = recipe or next((config for (row, _), config in recipes.items() if row == place), None)
    config = config_of(results[0].folder)
    starts = {result.seed: (Run(result.training).starts() or [{}])[-1] for result in results}
    gpus = min((start["gpus"] for start in starts.values() if "gpus" in start), key=len, default=None)
    machines = {seed: machine_of(start) for seed, start in starts.items()}
    stamps = [result.stamp for result in results]
    differs = [*_precisions(results, machines), *([] if nearest is None else differences(nearest, config, gpus))]
    return {
        "machine": by_seed(machines),
        "differs": [*cut(stamps), *differs] if plan["size"] == PAPER else differs,
        "reproduction": plan["size"] == PAPER and recipe is not None and same_data(recipe, config) and not cut(stamps),
    }


def _stamp(results: Sequence[SeedResult]) -> dict[str, Any]:
    """How the first seed was tested, with the precision of each where they differ."""
    precisions = {result.seed: str(result.stamp["precision"]) for result in results if "precision" in result.stamp}
    return {**results[0].stamp, **({"precision": by_seed(precisions)} if precisions else {})}


def _precisions(results: Sequence[SeedResult], machines: Mapping[int, str]) -> list[str]:
    """A line for the precisions of the trainings, where they differ: a machine chooses it (``trainer=cpu``).

    Configs are slow to read; that of each seed is read where machines differ, or the precisions of the tests.
    """
    if len({*machines.values()}) < 2 and len({result.stamp.get("precision") for result in results}) < 2:
        return []
    configs = {result.seed: config_of(result.training) for result in results}
    precisions = {seed: str(config.get("trainer", {}).get("precision", "")) for seed, config in configs.items()}
    return [f"trainer.precision: {by_seed(precisions)}"] if len({*precisions.values()}) > 1 else []


def _of_other(plan: Mapping[str, Any], named: str) -> dict[str, Any]:
    """The results of the row ``<paper>/<table>/<row>`` of another table; none where that has no plan yet."""
    paper, table, name = named.split("/", 2)
    folder = Path(plan["table_dir"]) / paper / (table + suffix(plan["size"]))
    other = plan if f"{paper}/{table}" == plan["table"] else read_plan(folder)
    rows = [] if other is None else [n for n, row in enumerate(other["rows"]) if str(row["name"]) == name]
    if other is None or not rows:
        return {}
    return {label: _measured(other, rows[0], label) for label in _product(other["dimensions"])}
