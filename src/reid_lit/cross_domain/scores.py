"""What came out of a matrix's trainings: mean and deviation over seeds, points gained over direct transfer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_lit.cross_domain.plan import Cell, Training
from reid_lit.cross_domain.testing import serves
from reid_lit.cross_domain.words import Domain
from reid_lit.jobs.job import last_words, recorded
from reid_lit.sweeps.seeds import over_seeds

PROTOCOL = ("ap", "camera_rule", "distance", "feature", "test_time_augmentation", "reranking")
"""What of a stamp has to agree before two numbers are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of one seed.

    Attributes:
        row: Its row of results.
        folder: Where it lies.
    """

    row: Mapping[str, Any]
    folder: Path

    @property
    def start(self) -> Mapping[str, Any]:
        """When, where and by which command it came about."""
        file = self.folder / "environment.json"
        return json.loads(file.read_text())[-1] if file.is_file() else {}


def find(training: Training, target: Domain) -> Found | None:
    """The newest result of a training on a target."""
    evaluations = sorted(training.job.folder.glob("evaluate/*"), key=lambda folder: folder.stat().st_mtime)
    for folder in (*reversed(evaluations), training.job.folder):
        name = serves(folder, training, target)
        results = json.loads((folder / "metrics.json").read_text())["results"] if name else []
        for row in results:
            if row["dataset"] == name:
                return Found(row=row, folder=folder)
    return None


def cell_facts(cell: Cell) -> dict[str, Any]:
    """A cell in JSON's types, without its difference to another."""
    found = {seed: find(training, cell.target) for seed, training in cell.trainings.items()}
    done = {seed: each for seed, each in found.items() if each is not None}
    state, reason = _state(cell, len(done))
    return {
        "target": cell.target.name,
        "method": cell.method.name,
        "source": cell.source.name,
        "kind": cell.kind,
        "state": state,
        "reason": reason,
        "scores": over_seeds([each.row["scores"] for each in done.values()]),
        "seeds": {str(seed): dict(each.row["scores"]) for seed, each in done.items()},
        "stamp": next((dict(each.row["stamp"]) for each in done.values()), {}),
        "row": next((each.row["dataset"] for each in done.values()), ""),
        "runs": [
            {
                "seed": seed,
                "folder": str(each.folder),
                "time": each.start.get("time"),
                "command": each.start.get("command"),
            }
            for seed, each in done.items()
        ],
    }


def _state(cell: Cell, done: int) -> tuple[str, str]:
    """How far a cell is, and why not farther."""
    if cell.reason:
        return "missing", cell.reason
    if done == len(cell.trainings):
        return "done", ""
    stopped = [line for training in cell.trainings.values() for line in _stopped(training)]
    if stopped:
        return ("partly" if done else "failed"), stopped[0]
    return ("partly", f"{done} of {len(cell.trainings)} seeds") if done else ("not run", "")


def _stopped(training: Training) -> list[str]:
    """A line for each job that a training's numbers need, itself included, that failed."""
    lines = _stopped(training.start) if training.start is not None else []
    for folder in (training.job.folder, *training.job.folder.glob("evaluate/*")):
        record = recorded(folder)
        if record.get("state") == "failed" and not (folder / "metrics.json").is_file():
            reason = record.get("reason") or last_words(folder / "job.log")
            lines.append(f"{record.get('name', training.job.name)} failed: {reason} (log: {folder / 'job.log'})")
    return lines


def matrix_facts(cells: Sequence[Cell], about: Mapping[str, Any]) -> dict[str, Any]:
    """The whole matrix in JSON's types.

    Args:
        cells: All of them.
        about: What is told of it beside: title, command, when, seeds.
    """
    facts = [cell_facts(cell) for cell in cells]
    places = {(each["target"], each["method"], each["source"]): each for each in facts}
    for cell, each in zip(cells, facts, strict=True):
        beside = cell.method.beside if cell.kind == "adapted" else None
        direct = places.get((cell.target.name, beside, cell.source.name)) if beside else None
        each["beside"] = beside
        each["difference"], each["differs"] = _difference(each, direct) if direct else ({}, [])
    return {**about, "cells": facts, **_grid(facts)}


def _difference(cell: Mapping[str, Any], direct: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """Points gained over direct transfer, over the seeds that both have; what of their protocols differs."""
    seeds = [seed for seed in cell["seeds"] if seed in direct["seeds"]]
    ours, theirs = (over_seeds([each["seeds"][seed] for seed in seeds]) for each in (cell, direct))
    points = {key: 100 * (ours[key]["mean"] - theirs[key]["mean"]) for key in ours if key in theirs}  # type: ignore[operator]
    stamps = (cell["stamp"], direct["stamp"])
    differs = [
        f"{key}: {stamps[0].get(key)} here, {stamps[1].get(key)} in {direct['method']}"
        for key in (PROTOCOL if seeds else ())
        if stamps[0].get(key) != stamps[1].get(key)
    ]
    return points, differs


def _grid(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The matrix as rows, columns and values in %, for figures; None where there is no number."""
    rows = list(dict.fromkeys((each["method"], each["source"]) for each in facts))
    columns = list(dict.fromkeys(each["target"] for each in facts))
    places = {(each["method"], each["source"], each["target"]): each for each in facts}

    def value(row: tuple[str, str], column: str, key: str) -> float | None:
        score = places.get((*row, column), {}).get("scores", {}).get(key)
        return None if score is None else round(100 * score["mean"], 4)

    return {
        "rows": [f"{method} from {source}" for method, source in rows],
        "columns": columns,
        "values": {key: [[value(row, column, key) for column in columns] for row in rows] for key in ("mAP", "rank1")},
    }
