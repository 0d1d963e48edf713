"""The plan of a table: which trainings and evaluations its numbers come from, and which of them are done."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from reid_lit.jobs.job import Job
from reid_lit.overrides import assignment, merged
from reid_lit.paths import write_text
from reid_lit.run.identity import composed, evaluation_hash, explained, training_hash, without_evaluation
from reid_lit.tables.command import Ask, chosen_labels, chosen_rows
from reid_lit.tables.spec import LAPTOP, PAPER, Cell, TableError, cells, dimensions, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the scores of one cell and one seed come from.

    Attributes:
        cell: The cell.
        seed: The seed.
        training: The job that trains.
        evaluation: The job that tests what was trained; None: the training's own test says it.
        asked: Whether the command line asks for it.
    """

    cell: Cell
    seed: int
    training: Job
    evaluation: Job | None
    asked: bool

    @property
    def last(self) -> Job:
        """The job whose folder holds the scores."""
        return self.evaluation or self.training


def plan(spec: Mapping[str, Any], ask: Ask) -> list[Place]:
    """All numbers of a table that come from runs, and their jobs.

    Raises:
        TableError: a row or a label is asked for that the table has not, or an override is none of ours.
    """
    rows, labels = chosen_rows(spec, ask.rows, ask.size), chosen_labels(spec, ask)
    names = [str(row["name"]) for row in rows_of(spec, ask.size)]
    dimension = [name for name in labels if name != "seed"]
    seeds = sorted({*_earlier_seeds(ask), *(int(seed) for seed in labels["seed"])})
    places = []
    for cell in cells(spec, ask.size, ask.overrides):
        name = names[cell.row]
        wanted = cell.row in rows and all(
            label in labels[name] for name, label in zip(dimension, cell.label.split("/"), strict=True)
        )
        try:
            places += [_place(cell, seed, ask, name, asked=wanted and str(seed) in labels["seed"]) for seed in seeds]
        except HydraException as error:
            raise TableError(f"{ask.table}, row {name!r}, {cell.label}: {explained(error)}") from error
    return places


def _place(cell: Cell, seed: int, ask: Ask, row: str, *, asked: bool) -> Place:
    full = merged([*cell.train, *cell.evaluate])
    train = without_evaluation(cell.train)
    own = composed(train)
    training = _training(own, train, seed, ask, row)
    if full == train:
        return Place(cell=cell, seed=seed, training=training, evaluation=None, asked=asked)
    name = evaluation_hash(composed(full))
    if name == evaluation_hash(own):
        return Place(cell=cell, seed=seed, training=training, evaluation=None, asked=asked)
    folder, root = training.folder / "evaluate" / name, training.folder.parents[1]
    evaluation = Job(
        name=f"{training.name}, tested by {' '.join(part for part in full if part not in train)}",
        folder=folder,
        overrides=merged(
            [*_shared(own, root), *full, f"seed={seed}", *_named(own, ask, row), assignment("run", training.folder)]
        ),
        module="reid_lit.evaluate",
        resumable=False,
        whole_machine=training.whole_machine,
    )
    return Place(cell=cell, seed=seed, training=training, evaluation=evaluation, asked=asked)


def _training(config: Mapping[str, Any], overrides: Sequence[str], seed: int, ask: Ask, row: str) -> Job:
    identity = training_hash(config, seed)
    root = Path(ask.table_dir).resolve() / "trainings"
    there = sorted(root.glob(f"*-{identity}"))  # under the name of another table's experiment
    name = re.sub(r"[^\w.+-]", "_", str(config["name"]))
    return Job(
        name=f"{name} seed {seed} ({identity})",
        folder=there[0] if there else root / f"{name}-{identity}",
        overrides=merged([*_shared(config, root.parent), *overrides, f"seed={seed}", *_named(config, ask, row)]),
        whole_machine=config["trainer"]["devices"] not in (1, "1"),
        facts={"seed": seed, "table": ask.table},
    )


def _shared(config: Mapping[str, Any], root: Path) -> list[str]:
    """One folder for the stages that trainings go on from: those that agree are trained once."""
    return [assignment("before_dir", root / "stages")] if config.get("before") else []


def _named(config: Mapping[str, Any], ask: Ask, row: str) -> list[str]:
    """What W&B filters by."""
    paper, _, table = ask.table.partition("/")
    quoted = row.replace("\\", "").replace('"', "").replace("$", "")
    return [f"labels.paper={paper}", f"labels.table={table}", f'labels.row="{quoted}"'] if "labels" in config else []


def chains(places: Sequence[Place]) -> list[list[Job]]:
    """What is to be run for the places that are asked for: each training once, then its evaluations, each once."""
    by_training: dict[Path, dict[Path, Job]] = {}
    for place in places:
        if place.asked:
            jobs = by_training.setdefault(place.training.folder, {place.training.folder: place.training})
            jobs.setdefault(place.last.folder, place.last)
    return [list(jobs.values()) for jobs in by_training.values()]


def folder_of(ask: Ask) -> Path:
    """Where the plan and the report of a table lie."""
    return Path(ask.table_dir).resolve() / (ask.table + ("-laptop" if ask.size == LAPTOP else ""))


def _earlier_seeds(ask: Ask) -> list[int]:
    """The seeds that an earlier command with the same overrides asked for."""
    earlier = read_plan(folder_of(ask))
    return earlier["seeds"] if earlier and tuple(earlier["overrides"]) == ask.overrides else []


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan of the last command; None before the first."""
    file = folder / "plan.json"
    return json.loads(file.read_text()) if file.is_file() else None


def write_plan(spec: Mapping[str, Any], ask: Ask, places: Sequence[Place], command: str) -> Path:
    """Write what a report needs of the table, so that it composes nothing."""
    content = {
        "table": ask.table,
        "size": ask.size,
        "command": command,
        "table_dir": str(Path(ask.table_dir).resolve()),
        "overrides": list(ask.overrides),
        "seeds": sorted({place.seed for place in places}),
        "spec": dict(spec),
        "dimensions": dimensions(spec, ask.size),
        "rows": rows_of(spec, ask.size),
        "recipes": _recipes(spec),
        "cells": [
            {
                "row": place.cell.row,
                "label": place.cell.label,
                "seed": place.seed,
                "asked": place.asked,
                "training": str(place.training.folder),
                "folder": str(place.last.folder),
            }
            for place in places
        ],
    }
    return write_text(folder_of(ask) / "plan.json", json.dumps(content, indent=1) + "\n")


def _recipes(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The composed config of each cell of the paper."""
    return [
        {"row": cell.row, "label": cell.label, "config": composed(merged([*cell.train, *cell.evaluate]))}
        for cell in cells(spec, PAPER)
    ]
