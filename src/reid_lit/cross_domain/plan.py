"""The trainings and tests of a matrix: each training once, however many numbers need it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from reid_lit.cross_domain.words import Domain, MatrixError, Method
from reid_lit.jobs.job import Job, needs_whole_machine
from reid_lit.overrides import assignment
from reid_lit.run.identity import composed, training_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for.

    Attributes:
        sources: Data sets with labels.
        targets: Data sets to test on.
        methods: Those shown, in order.
        known: All methods, by name.
        seeds: Of each training.
        overrides: Of every training and its test, behind the method's own.
        trainings: Where trainings lie; tables share them.
        lacking: Why a data set cannot be had, by its name.
        rows: What a test on a target calls its row of results, by the target's name.
    """

    sources: Sequence[Domain]
    targets: Sequence[Domain]
    methods: Sequence[Method]
    known: Mapping[str, Method]
    seeds: Sequence[int]
    overrides: tuple[str, ...]
    trainings: Path
    lacking: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training, and what it is tested on.

    Attributes:
        job: The training.
        protocol: The evaluation that its numbers are to come from.
        overrides: What an evaluation of it is told, without ``test_on``.
        start: The training that it goes on from.
        targets: What it is to be tested on.
    """

    job: Job
    protocol: Any
    overrides: tuple[str, ...]
    start: "Training | None"
    targets: list[Domain]

    @property
    def depth(self) -> int:
        """How many trainings come before it."""
        return 0 if self.start is None else 1 + self.start.depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A number of the matrix: a method, from a source to a target.

    Attributes:
        method: How.
        source: From where.
        target: To where.
        trainings: A training a seed; none where a data set lacks.
        reason: Why there is none.
    """

    method: Method
    source: Domain
    target: Domain
    trainings: Mapping[int, Training]
    reason: str = ""

    @property
    def kind(self) -> str:
        """``supervised`` (it has the target's own labels), ``direct`` or ``adapted``."""
        if self.source == self.target:
            return "supervised"
        return "direct" if self.method.of_source else "adapted"


class Planner:
    """Makes the cells of a matrix.

    Args:
        ask: What is asked for.
    """

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.trainings: dict[tuple[str, str, str, int], Training] = {}

    def cells(self) -> list[Cell]:
        """A cell for each target, method and source; the diagonal has the supervised ones alone.

        Raises:
            MatrixError: a method's overrides are none of ours.
        """
        return [
            self._cell(method, source, target)
            for target in self.ask.targets
            for method in self.ask.methods
            for source in self.ask.sources
            if source != target or method.of_source
        ]

    def _cell(self, method: Method, source: Domain, target: Domain) -> Cell:
        reasons = dict.fromkeys(self.ask.lacking[one.name] for one in (source, target) if one.name in self.ask.lacking)
        trainings = {} if reasons else {seed: self._training(method, source, target, seed) for seed in self.ask.seeds}
        for training in trainings.values():
            training.targets.append(target)
        return Cell(method=method, source=source, target=target, trainings=trainings, reason="; ".join(reasons))

    def _training(self, method: Method, source: Domain, target: Domain, seed: int) -> Training:
        key = (method.name, source.name, "" if method.of_source else target.name, seed)
        if key not in self.trainings:
            before = self.ask.known[method.start] if method.start else None
            start = None if before is None else self._training(before, source, target, seed)
            self.trainings[key] = self._new(key, method, {"source": source, "target": target}, start)
        return self.trainings[key]

    def _new(
        self, key: tuple[str, str, str, int], method: Method, pair: Mapping[str, Domain], start: Training | None
    ) -> Training:
        _, source, aim, seed = key
        name = f"{method.name}_{source}_to_{aim}" if aim else f"{method.name}_{source}"
        try:
            overrides, config = fitted((*method.filled(pair), f"name={name}", *self.ask.overrides))
        except HydraException as error:
            raise MatrixError(f"method {method.name}: {str(error).splitlines()[0]}") from error
        if start is not None and method.gives:
            overrides += (assignment(method.gives, start.job.folder),)
            config = _with(config, method.gives, str(start.job.folder))
        identity = training_hash(config, seed)
        there = sorted(self.ask.trainings.glob(f"*-{identity}"))  # of another matrix, or of a table
        job = Job(
            name=f"{method.name}: {source}{f' → {aim}' if aim else ''}, seed {seed}",
            folder=there[0] if there else self.ask.trainings / f"{name}-{identity}",
            overrides=(*overrides, f"seed={seed}"),
            whole_machine=needs_whole_machine(config["machine"]["devices"]),
        )
        return Training(job=job, protocol=config["evaluation"], overrides=overrides, start=start, targets=[])


def fitted(overrides: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The overrides and the config that they compose, without keys that an experiment meant for another data set."""
    config = composed(tuple(overrides))
    option = next((each.partition("=")[2] for each in overrides if each.startswith("dataset=")), None)
    own = composed((f"dataset={option}",))["dataset"] if option else config["dataset"]
    foreign = [f"~dataset.{key}" for key in config["dataset"] if key not in own]
    told = (*overrides, *foreign)
    return told, composed(told)


def _with(config: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    changed = copy.deepcopy(dict(config))
    *path, last = key.split(".")
    node = changed
    for part in path:
        node = node[part]
    node[last] = value
    return changed
