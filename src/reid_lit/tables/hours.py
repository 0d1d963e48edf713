"""How long a table will take, before it starts: by the jobs of it that are done, else by what its file estimates."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.jobs.job import Job
from reid_lit.tables.jobs import Place
from reid_lit.tables.plan import Chain
from reid_lit.tables.results import seconds_of
from reid_lit.tables.spec import own_keys, rows_of


def hours_in_words(spec: Mapping[str, Any], size: str, places: Sequence[Place], todo: Sequence[Chain]) -> str:
    """The hours of all jobs that are not done, one after another; empty where nothing tells them.

    A job takes the minutes that the file states for its row, times how much longer or shorter than stated those took
    that are done. Where the file states nothing each job counts as one minute, so the mean of those done is taken.

    Args:
        spec: The content of the table's file; ``minutes`` of a size, or of a row for it, are those of a training,
            ``test_minutes`` those of an evaluation.
        size: The size that is run.
        places: All numbers of the table.
        todo: What will be run for them.
    """
    own = own_keys(spec, size)
    stated, test = _minutes(spec, size, places), float(own.get("test_minutes", 1))
    trainings, evaluations = [chain.training for chain in todo], [job for chain in todo for job in chain.evaluations]
    longer = _factor(trainings, stated)
    longer_test = _factor(evaluations, {job.folder: test for job in evaluations})
    left = [job for job in trainings if not job.done]
    if not left and all(job.done for job in evaluations):
        return ""
    if longer is None and "minutes" not in own and left:
        return ""
    minutes = sum(stated.get(job.folder, 1.0) for job in left) * (longer or 1.0)
    minutes += sum(not job.done for job in evaluations) * test * (longer_test or 1.0)
    source = "by the trainings of it that are done" if longer is not None else "the estimate of the table's file"
    return f"About {minutes / 60:.1f} hours, one job after another ({source})."


def _minutes(spec: Mapping[str, Any], size: str, places: Iterable[Place]) -> dict[Path, float]:
    """The stated minutes of each training, by its folder; of one that several rows share, those of the first.

    A stage, which is no row, takes as long as the size states for any training.
    """
    rows, usual = rows_of(spec, size), float(own_keys(spec, size).get("minutes", 1))
    minutes: dict[Path, float] = {}
    for place in places:
        minutes.setdefault(place.training.folder, float(rows[place.cell.row].get("minutes", usual)))
    for place in places:
        minutes |= {job.folder: usual for job in place.before if job.folder not in minutes}
    return minutes


def _factor(jobs: Iterable[Job], stated: Mapping[Path, float]) -> float | None:
    """How many times the stated minutes the jobs took that are done; None where none is, or its time is not known."""
    known = {job.folder: seconds for job in jobs if job.done and (seconds := seconds_of(job.folder))}
    expected = sum(stated.get(folder, 1.0) for folder in known)
    return sum(known.values()) / 60 / expected if known else None
