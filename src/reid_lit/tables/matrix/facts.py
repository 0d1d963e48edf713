"""The results of a matrix: mean and deviation over seeds, points gained over the method that one is compared with."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_lit.run.folder import Run
from reid_lit.sweeps.seeds import over_seeds
from reid_lit.tables.matrix.table import MatrixCell
from reid_lit.tables.results import SeedResult, read_result, state_of, stopped

PROTOCOL = ("ap", "camera_rule", "clothes_rule", "distance", "feature", "test_time_augmentation", "reranking")
"""The entries of two stamps that have to agree before their numbers are compared."""


def matrix_facts(cells: Sequence[MatrixCell], about: Mapping[str, Any]) -> dict[str, Any]:
    """The whole matrix in JSON's types.

    Args:
        cells: All cells.
        about: What else is written of the matrix: title, command, time, seeds.
    """
    facts = [_cell_facts(cell) for cell in cells]
    places = {(fact["target"], fact["method"], fact["source"]): fact for fact in facts}
    for cell, fact in zip(cells, facts, strict=True):
        beside = cell.method.beside if cell.kind == "adapted" else None
        direct = places.get((cell.target.name, beside or "", cell.source.name))
        fact["beside"] = beside
        fact["difference"], fact["differs"] = _difference(fact, direct) if direct else ({}, [])
    return {**about, "cells": facts, **_grid(facts)}


def _cell_facts(cell: MatrixCell) -> dict[str, Any]:
    """A cell in JSON's types, without its difference from another."""
    read = [read_result(place.seed, place.training.folder, place.last.folder, place.test) for place in cell.places]
    results = [result for result in read if result is not None]
    state, reason = _state(cell, len(results))
    return {
        "target": cell.target.name,
        "method": cell.method.name,
        "source": cell.source.name,
        "kind": cell.kind,
        "state": state,
        "reason": reason,
        "scores": over_seeds([result.scores for result in results]),
        "seeds": {str(result.seed): dict(result.scores) for result in results},
        "stamp": dict(results[0].stamp) if results else {},
        "row": results[0].row["dataset"] if results else "",
        "runs": [_run(result) for result in results],
    }


def _run(result: SeedResult) -> dict[str, Any]:
    start = (Run(result.folder).starts() or [{}])[-1]
    return {
        "seed": result.seed, "folder": str(result.folder), "time": start.get("time"), "command": start.get("command"),
    }  # fmt: skip


def _state(cell: MatrixCell, done: int) -> tuple[str, str]:
    """How far a cell is, and why not farther."""
    if cell.reason:
        return "missing", cell.reason
    number = len(cell.places)
    jobs = [job for place in cell.places for job in (*place.before, place.training, place.last)]
    lines = stopped(dict.fromkeys(job.folder for job in jobs)) if done < number else []
    state = state_of(done, number, failed=bool(lines))
    unexplained = f"{done} of {number} seeds" if state == "partly" else ""
    return state, lines[0] if lines else unexplained


def _difference(cell: Mapping[str, Any], direct: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """Points gained over direct transfer, over the seeds that both have, and the differences of their protocols."""
    seeds = [seed for seed in cell["seeds"] if seed in direct["seeds"]]
    ours, theirs = (over_seeds([one["seeds"][seed] for seed in seeds]) for one in (cell, direct))
    points = {key: 100 * (ours[key]["mean"] - theirs[key]["mean"]) for key in ours if key in theirs}  # type: ignore[operator]
    here, there = cell["stamp"], direct["stamp"]
    differs = [
        f"{key}: {here.get(key)} here, {there.get(key)} in {direct['method']}"
        for key in (PROTOCOL if seeds else ())
        if here.get(key) != there.get(key)
    ]
    return points, differs


def _grid(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The matrix as rows, columns and values in %, for figures; None where there is no number."""
    rows = list(dict.fromkeys((fact["method"], fact["source"]) for fact in facts))
    columns = list(dict.fromkeys(fact["target"] for fact in facts))
    places = {(fact["method"], fact["source"], fact["target"]): fact for fact in facts}

    def value(row: tuple[str, str], column: str, key: str) -> float | None:
        score = places.get((*row, column), {}).get("scores", {}).get(key)
        return None if score is None else round(100 * score["mean"], 4)

    return {
        "rows": [f"{method} from {source}" for method, source in rows],
        "columns": columns,
        "values": {key: [[value(row, column, key) for column in columns] for row in rows] for key in ("mAP", "rank1")},
    }
