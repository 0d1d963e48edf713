"""The jobs of a cell and a seed: the training, what it starts from, and the evaluation of what was trained."""

import copy
import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_lit.jobs.job import Job, needs_whole_machine, recorded
from reid_lit.overrides import assignment, key_of, merged
from reid_lit.run import composing
from reid_lit.run.additions import with_additions
from reid_lit.run.claim import last_checkpoints
from reid_lit.run.identity import evaluation_hash, training_hash, without_evaluation
from reid_lit.run.presence import missing_roots, needs_of
from reid_lit.tables.command import TableRequest
from reid_lit.tables.results import is_own_test
from reid_lit.tables.spec import Cell, suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the scores of one cell and one seed come from.

    Attributes:
        cell: The cell.
        seed: The seed.
        training: The job that trains.
        evaluation: The job that tests what was trained; None: the training's own test has the scores.
        wanted: Whether the command line asks for it.
        test: The hash of the test that the scores are of.
        before: The trainings that this one starts from, the first one first.
        missing: The data that are not where they are looked for, by their names.
    """

    cell: Cell
    seed: int
    training: Job
    evaluation: Job | None
    wanted: bool
    test: str = ""
    before: tuple[Job, ...] = ()
    missing: Mapping[str, Path] = field(default_factory=dict)

    @property
    def last(self) -> Job:
        """The job whose folder holds the scores."""
        return self.evaluation or self.training

    @property
    def tested_otherwise(self) -> bool:
        """Whether another command has done its training since it was planned, with another test: its own is left."""
        return self.evaluation is None and self.training.done and not is_own_test(self.training.folder, self.test)


class JobMaker:
    """Makes the jobs of a row.

    Args:
        request: What the command line asks for.
        row: The row's name, for W&B.
    """

    def __init__(self, request: TableRequest, row: str) -> None:
        self.request, self.row = request, row

    def place(self, cell: Cell, seed: int, *, wanted: bool) -> Place:
        """Where the scores of a cell and a seed come from.

        Raises:
            HydraException: an override is none of ours.
        """
        trained = self._trained(cell, seed)
        tested = composing.composed(merged([*cell.train, *cell.evaluate]))
        name = evaluation_hash(tested)
        training, evaluation = trained.job, None
        if name == _own_test(training, cell):
            labels = self._labels(trained.config, self.row)
            training = dataclasses.replace(training, overrides=merged([*training.overrides, *labels]))
        else:
            evaluation = self._evaluation(cell, seed, trained, name)
        missing = missing_roots(tested) if wanted and not (evaluation or training).done else {}
        return Place(
            cell=cell, seed=seed, training=training, evaluation=evaluation, wanted=wanted, test=name,
            before=trained.before, missing=missing,
        )  # fmt: skip

    def _trained(self, cell: Cell, seed: int) -> "_Trained":
        overrides = cell.train if cell.own_test else without_evaluation(cell.train)
        named = config = composing.composed(overrides)
        given: tuple[str, ...] = ()
        before: tuple[Job, ...] = ()
        if cell.start is not None:
            start = self._trained(cell.start, seed)
            named = _changed(config, cell.gives, start.digest)
            config = _changed(config, cell.gives, str(start.job.folder))
            given, before = (assignment(cell.gives, start.job.folder),), (*start.before, start.job)
        digest, root = training_hash(named, seed), self.request.trainings
        there = _trained_as(root, digest)
        if there is None and cell.start is not None:  # names of before held the place of what they start from
            there = _trained_as(root, training_hash(config, seed))
        name = re.sub(r"[^\w.+-]", "_", str(config["name"]))
        job = Job(
            name=f"{name} seed {seed} ({digest})",
            folder=there or root / f"{name}-{digest}",
            overrides=self._job_overrides(config, [*overrides, *given], seed, row=f"{self.row} (training)"),
            whole_machine=needs_whole_machine(config["machine"]["devices"]),
            facts={"seed": seed, "table": self.request.table, "test": evaluation_hash(config)},
            needs=needs_of(config),
        )
        return _Trained(job, digest, config, given, before)

    def _evaluation(self, cell: Cell, seed: int, trained: "_Trained", name: str) -> Job:
        training, full = trained.job, merged([*cell.train, *trained.given, *cell.evaluate])
        different = [override for override in full if override not in training.overrides]
        scored = full if cell.own_test else with_additions(full, lambda: _usual_evaluation(_experiments(full)))
        overrides = self._job_overrides(trained.config, scored, seed, row=self.row)
        return Job(
            name=f"{training.name}, tested by {' '.join(different) or 'the protocol of its experiment'}",
            folder=training.folder / "evaluate" / name,
            overrides=merged([*overrides, assignment("run", training.folder), "repeat=false"]),
            module="reid_lit.evaluate",
            resumable=False,
            whole_machine=training.whole_machine,
            needs=training.needs,
        )

    def _job_overrides(
        self, config: Mapping[str, Any], overrides: Sequence[str], seed: int, *, row: str
    ) -> tuple[str, ...]:
        """The overrides of a job, with the folder that all trainings share for the stages before them."""
        stages = self.request.trainings.parent / "stages"
        shared = [assignment("before_dir", stages)] if config.get("before") else []
        return merged([*shared, *overrides, f"seed={seed}", *self._labels(config, row)])

    def _labels(self, config: Mapping[str, Any], row: str) -> list[str]:
        """The labels that W&B filters by; a row's own name is for the job whose scores the table shows."""
        if "labels" not in config:
            return []
        paper, _, table = self.request.table.partition("/")
        quoted = row.replace("\\", "").replace('"', "").replace("$", "")
        return [f"labels.paper={paper}", f"labels.table={table}{suffix(self.request.size)}", f'labels.row="{quoted}"']


@dataclass(frozen=True, slots=True)
class _Trained:
    """A training of the plan.

    Attributes:
        job: Its job.
        digest: What it is known by, wherever its folder is.
        config: Its composed config.
        given: The override that gives it the run folder of the training that it starts from; none where it starts anew.
        before: The trainings that it starts from, the first one first.
    """

    job: Job
    digest: str
    config: Mapping[str, Any]
    given: tuple[str, ...]
    before: tuple[Job, ...]


def _trained_as(root: Path, digest: str) -> Path | None:
    """The folder of a training, under whatever experiment's name: one that is done, else one to go on with.

    Several commands may begin it at the same time, each under the name of its own experiment.
    """

    def left(folder: Path) -> tuple[bool, bool]:
        return not Job(name="", folder=folder, overrides=()).done, not last_checkpoints(folder)

    return min(sorted(root.glob(f"*-{digest}")), key=left, default=None)


def _own_test(training: Job, cell: Cell) -> str:
    """The hash of the evaluation that a training does itself; empty where that cannot be known.

    One that is done may have been started by another table, or by a matrix, with another test of its own.
    """
    facts = recorded(training.folder).get("facts", {}) if training.done else training.facts
    if "tests" in facts:  # a matrix of an earlier version: several data sets
        return ""
    return facts.get("test") or evaluation_hash(composing.composed(without_evaluation(cell.train)))


def _experiments(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(override for override in overrides if key_of(override) == "experiment")


@functools.cache
def _usual_evaluation(experiment: tuple[str, ...]) -> str | None:
    """The option of ``evaluation`` by which trainings of an experiment are scored."""
    return composing.chosen_option("evaluation", experiment)


def _changed(config: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """A config with another value."""
    changed = copy.deepcopy(dict(config))
    *path, last = key.split(".")
    node = changed
    for part in path:
        node = node[part]
    node[last] = value
    return changed
