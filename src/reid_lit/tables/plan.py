"""The plan of a table: which trainings and evaluations its numbers come from, and which of them are done."""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from reid_lit.jobs.job import Job, needs_whole_machine, recorded
from reid_lit.overrides import assignment, merged
from reid_lit.paths import write_text
from reid_lit.run.identity import composed, evaluation_hash, explained, training_hash, without_evaluation
from reid_lit.tables.command import TableRequest, chosen_labels, chosen_rows
from reid_lit.tables.spec import PAPER, Cell, TableError, cells, dimensions, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the scores of one cell and one seed come from.

    Attributes:
        cell: The cell.
        seed: The seed.
        training: The job that trains.
        evaluation: The job that tests what was trained; None: the training's own test has the scores.
        wanted: Whether the command line asks for it.
        before: The trainings that this one starts from, the first one first.
    """

    cell: Cell
    seed: int
    training: Job
    evaluation: Job | None
    wanted: bool
    before: tuple[Job, ...] = ()

    @property
    def last(self) -> Job:
        """The job whose folder holds the scores."""
        return self.evaluation or self.training


@dataclass(frozen=True, slots=True)
class Chain:
    """A training with its evaluations, each of which waits for the one before.

    Attributes:
        jobs: The training, then its evaluations.
        before: The trainings that it starts from, the first one first.
    """

    jobs: tuple[Job, ...]
    before: tuple[Job, ...] = ()

    @property
    def training(self) -> Job:
        """The first job."""
        return self.jobs[0]

    @property
    def evaluations(self) -> tuple[Job, ...]:
        """The other jobs."""
        return self.jobs[1:]

    @property
    def ready(self) -> bool:
        """Whether what it starts from is trained."""
        return all(job.done for job in self.before)


def places_of(spec: Mapping[str, Any], request: TableRequest) -> list[Place]:
    """All numbers of a table that come from runs, and their jobs.

    Raises:
        TableError: the table has no such row or label, or an override is none of ours.
    """
    rows, labels = chosen_rows(spec, request.rows, request.size), chosen_labels(spec, request)
    names = [str(row["name"]) for row in rows_of(spec, request.size)]
    dimension = [name for name in labels if name != "seed"]
    seeds = sorted({*_earlier_seeds(request), *(int(seed) for seed in labels["seed"])})
    places = []
    for cell in cells(spec, request.size, request.overrides):
        parts = zip(dimension, cell.label.split("/"), strict=True)
        wanted = cell.row in rows and all(label in labels[name] for name, label in parts)
        row = names[cell.row]
        for seed in seeds:
            try:
                place = _place(cell, seed, request, row, wanted=wanted and str(seed) in labels["seed"])
            except HydraException as error:
                raise TableError(f"{request.table}, row {row!r}, {cell.label}: {explained(error)}") from error
            places.append(place)
    return places


def _place(cell: Cell, seed: int, request: TableRequest, row: str, *, wanted: bool) -> Place:
    trained = _training(cell, seed, request, row)
    training, full = trained.job, merged([*cell.train, *cell.evaluate])
    name = evaluation_hash(composed(full))
    evaluation = None if name == _own_test(training, cell) else _evaluation(cell, name, seed, request, row, trained)
    return Place(
        cell=cell, seed=seed, training=training, evaluation=evaluation, wanted=wanted, before=trained.before
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Trained:
    """A training of the plan.

    Attributes:
        job: Its job.
        config: Its composed config.
        given: The override that gives it the run folder of the training that it starts from; none where it starts anew.
        before: The trainings that it starts from, the first one first.
    """

    job: Job
    config: Mapping[str, Any]
    given: tuple[str, ...]
    before: tuple[Job, ...]


def _training(cell: Cell, seed: int, request: TableRequest, row: str) -> _Trained:
    overrides = cell.train if cell.own_test else without_evaluation(cell.train)
    config = composed(overrides)
    given: tuple[str, ...] = ()
    before: tuple[Job, ...] = ()
    if cell.start is not None:
        start = _training(cell.start, seed, request, row)
        config = _changed(config, cell.gives, str(start.job.folder))
        given, before = (assignment(cell.gives, start.job.folder),), (*start.before, start.job)
    identity = training_hash(config, seed)
    there = sorted(request.trainings.glob(f"*-{identity}"))  # under the name of another table's experiment
    name = re.sub(r"[^\w.+-]", "_", str(config["name"]))
    shared = _shared(config, request.trainings.parent)
    job = Job(
        name=f"{name} seed {seed} ({identity})",
        folder=there[0] if there else request.trainings / f"{name}-{identity}",
        overrides=merged([*shared, *overrides, *given, f"seed={seed}", *_labels(config, request, row)]),
        whole_machine=needs_whole_machine(config["machine"]["devices"]),
        facts={"seed": seed, "table": request.table, "test": evaluation_hash(config)},
    )
    return _Trained(job, config, given, before)


def _evaluation(cell: Cell, name: str, seed: int, request: TableRequest, row: str, trained: _Trained) -> Job:
    training, full = trained.job, merged([*cell.train, *trained.given, *cell.evaluate])
    shared = _shared(trained.config, request.trainings.parent)
    labels = _labels(trained.config, request, row)
    different = [override for override in full if override not in training.overrides]
    return Job(
        name=f"{training.name}, tested by {' '.join(different) or 'the protocol of its experiment'}",
        folder=training.folder / "evaluate" / name,
        overrides=merged([*shared, *full, f"seed={seed}", *labels, assignment("run", training.folder)]),
        module="reid_lit.evaluate",
        resumable=False,
        whole_machine=training.whole_machine,
    )


def _own_test(training: Job, cell: Cell) -> str:
    """The hash of the evaluation that a training does itself; empty where that cannot be known.

    One that is done may have been started by another table, or by a matrix, with another test of its own.
    """
    facts = recorded(training.folder).get("facts", {}) if training.done else training.facts
    if "tests" in facts:  # a matrix of an earlier version: several data sets
        return ""
    return facts.get("test") or evaluation_hash(composed(without_evaluation(cell.train)))


def _changed(config: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """A config with another value."""
    changed = copy.deepcopy(dict(config))
    *path, last = key.split(".")
    node = changed
    for part in path:
        node = node[part]
    node[last] = value
    return changed


def _shared(config: Mapping[str, Any], root: Path) -> list[str]:
    """One folder for the stages that trainings start from: those that agree are trained once."""
    return [assignment("before_dir", root / "stages")] if config.get("before") else []


def _labels(config: Mapping[str, Any], request: TableRequest, row: str) -> list[str]:
    """The labels that W&B filters by."""
    paper, _, table = request.table.partition("/")
    quoted = row.replace("\\", "").replace('"', "").replace("$", "")
    return [f"labels.paper={paper}", f"labels.table={table}", f'labels.row="{quoted}"'] if "labels" in config else []


def chains(places: Sequence[Place]) -> list[Chain]:
    """What is to be run for the places that are wanted, each job once; what others start from comes before them."""
    jobs: dict[Path, dict[Path, Job]] = {}
    before: dict[Path, tuple[Job, ...]] = {}
    for place in places:
        if place.wanted:
            for depth, training in enumerate((*place.before, place.training)):
                jobs.setdefault(training.folder, {training.folder: training})
                before[training.folder] = place.before[:depth]
            jobs[place.training.folder].setdefault(place.last.folder, place.last)
    found = [Chain(tuple(parts.values()), before[folder]) for folder, parts in jobs.items()]
    return sorted(found, key=lambda chain: len(chain.before))


def _earlier_seeds(request: TableRequest) -> list[int]:
    """The seeds that an earlier command with the same overrides asked for."""
    earlier = read_plan(request.folder)
    return earlier["seeds"] if earlier and tuple(earlier["overrides"]) == request.overrides else []


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan of the last command; None before the first."""
    file = folder / "plan.json"
    return json.loads(file.read_text()) if file.is_file() else None


def write_plan(spec: Mapping[str, Any], request: TableRequest, places: Sequence[Place], command: str) -> Path:
    """Write what a report needs of the table, so that it composes nothing."""
    content = {
        "table": request.table,
        "size": request.size,
        "command": command,
        "table_dir": str(Path(request.table_dir).resolve()),
        "overrides": list(request.overrides),
        "seeds": sorted({place.seed for place in places}),
        "spec": dict(spec),
        "dimensions": dimensions(spec, request.size),
        "rows": rows_of(spec, request.size),
        "recipes": _recipes(spec),
        "cells": [
            {
                "row": place.cell.row,
                "label": place.cell.label,
                "seed": place.seed,
                "asked": place.wanted,
                "training": str(place.training.folder),
                "folder": str(place.last.folder),
            }
            for place in places
        ],
    }
    return write_text(request.folder / "plan.json", json.dumps(content, indent=1) + "\n")


def _recipes(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The composed config of each cell of the paper."""
    return [
        {"row": cell.row, "label": cell.label, "config": composed(merged([*cell.train, *cell.evaluate]))}
        for cell in cells(spec, PAPER)
    ]
