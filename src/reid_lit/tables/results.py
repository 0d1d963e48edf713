"""The results of a cell, read from the folders of its runs."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reid_lit.errors import MissingFileError
from reid_lit.jobs.job import Job, last_words, recorded
from reid_lit.run.folder import Run
from reid_lit.wording import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """The result of one seed.

    Attributes:
        seed: The seed.
        training: The folder of the training.
        folder: The folder that has the scores: that of the training, or of an evaluation.
        row: The first row of results there.
    """

    seed: int
    training: Path
    folder: Path
    row: Mapping[str, Any]

    @property
    def scores(self) -> Mapping[str, float]:
        """All scores of the row."""
        return self.row["scores"]

    @property
    def stamp(self) -> Mapping[str, Any]:
        """How they were measured."""
        return self.row["stamp"]


def read_result(seed: int, training: Path, folder: Path, test: str = "") -> SeedResult | None:
    """The result of one seed; None before its job is done.

    Args:
        seed: The seed.
        training: The folder of the training.
        folder: That of an evaluation, or the training's where its own test has the scores.
        test: The hash of the test that was planned; a training that another command has done may have had another one.
    """
    if folder == training and not is_own_test(training, test):
        return None
    metrics = Run(folder).metrics()
    return SeedResult(seed=seed, training=training, folder=folder, row=metrics["results"][0]) if metrics else None


def read_cell(cell: Mapping[str, Any]) -> SeedResult | None:
    """The result of a cell of ``plan.json``; those of before hold no test."""
    return read_result(cell["seed"], Path(cell["training"]), Path(cell["folder"]), cell.get("test", ""))


def is_own_test(training: Path, test: str) -> bool:
    """Whether a training did a test itself, as far as its record and the plan tell."""
    done = recorded(training).get("facts", {}).get("test", "")
    return "" in (done, test) or done == test


def stopped(folders: Iterable[Path]) -> list[str]:
    """A line for each folder whose job failed or was killed."""
    lines = []
    for folder in folders:
        job = Job(name=folder.name, folder=folder, overrides=())
        if (state := job.state()) in ("failed", "killed"):
            record = recorded(folder)
            reason = record.get("reason") or last_words(job.log)
            lines.append(f"{record.get('name', job.name)} {state}: {reason} (log: {job.log})")
    return lines


def state_of(done: int, number: int, *, failed: bool) -> str:
    """``done``, ``partly`` (some seeds are missing), ``failed`` or ``not run``."""
    if done:
        return "done" if done == number else "partly"
    return "failed" if failed else "not run"


def config_of(folder: Path) -> dict[str, Any]:
    """The config of a run, its parts under their present names; empty where there is none."""
    try:
        return OmegaConf.to_container(Run(folder).config())  # type: ignore[return-value]
    except MissingFileError:
        return {}


def machine_of(start: Mapping[str, Any]) -> str:
    """A machine in words, as the last start of a run recorded it.

    >>> machine_of({"gpus": [], "processor": "AMD EPYC", "machine": "Linux", "threads": 1})
    'AMD EPYC, Linux, 1 thread, no GPU'
    >>> machine_of({"gpus": ["H200", "H200"], "machine": "Linux", "threads": 4})
    '2 × H200'
    """
    if not start:
        return ""
    gpus = start.get("gpus") or []
    if gpus:
        return ", ".join(f"{gpus.count(name)} × {name}" for name in dict.fromkeys(gpus))
    named = [start[name] for name in ("processor", "machine") if start.get(name)]
    threads = [counted(start["threads"], "thread")] if "threads" in start else []
    return ", ".join([*named, *threads, "no GPU"])


def hours_of(trainings: Sequence[Path]) -> float | None:
    """Hours of a training, mean over seeds, with killed starts as far as their time is known."""
    hours = [seconds / 3600 for folder in trainings if (seconds := seconds_of(folder)) is not None]
    return round(statistics.fmean(hours), 4) if hours else None


def seconds_of(training: Path) -> float | None:
    """Seconds of all starts of a training; None where they are not known."""
    seconds = [start["seconds"] for start in recorded(training).get("starts", []) if "seconds" in start]
    if seconds:
        return sum(seconds)
    metrics = Run(training).metrics()
    return (metrics.get("train_seconds") or 0.0) if metrics else None
