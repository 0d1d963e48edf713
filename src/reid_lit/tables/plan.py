"""The plan of a table: which trainings and evaluations its numbers come from, and which of them are done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from reid_lit.jobs.job import Job
from reid_lit.run.composing import explained
from reid_lit.run.near_names import near_names
from reid_lit.tables.command import TableRequest, chosen_labels, chosen_rows
from reid_lit.tables.jobs import JobMaker, Place
from reid_lit.tables.plan_file import read_plan
from reid_lit.tables.spec import TableError, cells, rows_of


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
        maker = JobMaker(request, names[cell.row])
        for seed in seeds:
            try:
                place = maker.place(cell, seed, wanted=wanted and str(seed) in labels["seed"])
            except HydraException as error:
                near = "; ".join(near_names([*cell.train, *cell.evaluate], config_name="evaluate"))
                raise TableError(
                    f"{request.table}, row {names[cell.row]!r}, {cell.label}: {near or explained(error)}"
                ) from error
            places.append(place)
    return places


def chains(places: Sequence[Place]) -> list[Chain]:
    """What is to be run for the places that are wanted, each job once; what others start from comes before them."""
    named = {  # trainings under the name of the first row that shows their own test
        place.training.folder: place.training for place in reversed(places) if place.wanted and place.evaluation is None
    }
    jobs: dict[Path, dict[Path, Job]] = {}
    before: dict[Path, tuple[Job, ...]] = {}
    for place in places:
        if place.wanted:
            trainings = tuple(named.get(job.folder, job) for job in (*place.before, place.training))
            for depth, training in enumerate(trainings):
                jobs.setdefault(training.folder, {training.folder: training})
                before[training.folder] = trainings[:depth]
            jobs[place.training.folder].setdefault(place.last.folder, place.last)
    found = [Chain(tuple(parts.values()), before[folder]) for folder, parts in jobs.items()]
    return sorted(found, key=lambda chain: len(chain.before))


def _earlier_seeds(request: TableRequest) -> list[int]:
    """The seeds that an earlier command with the same overrides asked for."""
    earlier = read_plan(request.folder)
    return earlier["seeds"] if earlier and tuple(earlier["overrides"]) == request.overrides else []
