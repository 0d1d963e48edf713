"""Jobs: commands with a folder, a log and a state that outlives a kill."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_lit.jobs.lock import is_held
from reid_lit.overrides import assignment

STATE, LOG = "job.json", "job.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command with a folder.

    Attributes:
        name: Its name for people.
        folder: Where ``job.json`` (its state), ``job.log`` and the files of the command are.
        overrides: All of the command's arguments but the folder.
        module: The command, as ``python -m`` takes it.
        result: The file in ``folder`` that the command writes last.
        resumable: Whether the command takes ``resume=<folder>``; another one starts again.
        whole_machine: Whether it uses all GPUs (``machine=ddp``), so that no other job may run at the same time.
        facts: More that is kept in ``job.json``.
        needs: What it cannot do without, each as words that stand in the reason of a job that failed for lack of it.
    """

    name: str
    folder: Path
    overrides: tuple[str, ...]
    module: str = "reid_lit.train"
    result: str = "metrics.json"
    resumable: bool = True
    whole_machine: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[tuple[str, ...], ...] = ()

    def lacks(self, reason: str) -> tuple[str, ...] | None:
        """Which of its needs another job's failure names; None: this one may end otherwise.

        >>> needs = (("machine.accelerator=gpu:",), ("missing: ", "/data/WARD"))
        >>> Job(name="a", folder=Path("a"), overrides=(), needs=needs).lacks("missing: no such folder: /data/WARD; …")
        ('missing: ', '/data/WARD')
        """
        return next((need for need in self.needs if all(word in reason for word in need)), None)

    @property
    def done(self) -> bool:
        """Whether the command has come to its end."""
        return (self.folder / self.result).is_file()

    @property
    def begun(self) -> bool:
        """Whether the command was started in that folder, however it ended."""
        return (self.folder / ".hydra" / "overrides.yaml").is_file()

    @property
    def log(self) -> Path:
        """The file with all that the command printed, in all its starts."""
        return self.folder / LOG

    def command(self) -> list[str]:
        """The command that starts it, or goes on with it: by its own words alone, whoever began it by which."""
        python, folder = [sys.executable, "-m", self.module], self.folder.resolve()
        goes_on = self.resumable and self.begun
        words = [assignment("resume", folder), "repeat=false"] if goes_on else [assignment("hydra.run.dir", folder)]
        return [*python, *self.overrides, *words, "hydra.mode=RUN"]

    def state(self) -> str:
        """``done``, ``running``, ``failed``, ``killed`` or ``not run``."""
        if self.done:
            return "done"
        record = recorded(self.folder)
        if record.get("state") == "running":
            return "running" if is_held(self.folder) else "killed"
        return record.get("state", "not run")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: The job.
        state: ``done``, ``failed``, ``killed``, or ``not run`` (its training failed, or the sweep was stopped before).
        seconds: How long it ran now; 0 when there was nothing left to do.
        reason: Of a failure, the last line that the command printed.
    """

    job: Job
    state: str
    seconds: float = 0.0
    reason: str = ""


def not_tried(outcomes: Sequence[Outcome]) -> str:
    """A line that names the jobs that were not tried because they would have failed as another one did; or nothing."""
    left = [outcome for outcome in outcomes if outcome.state == "not run"]
    if not left:
        return ""
    names = ", ".join(outcome.job.name for outcome in left[:_NAMED])
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return f"{len(left)} of {len(outcomes)} jobs were not tried: {names}{more}"


_NAMED = 3
"""Jobs that a line names."""


def needs_whole_machine(devices: Any) -> bool:
    """Whether a training on these ``machine.devices`` uses more than one GPU."""
    return devices not in (1, "1")


def recorded(folder: Path) -> dict[str, Any]:
    """The content of a folder's ``job.json``; empty without such a file, or where it is damaged."""
    try:
        content = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each job that failed or was killed: its name, why, and where its log is."""
    return [
        f"{outcome.job.name}: {outcome.state}: {outcome.reason} (log: {outcome.job.log})"
        for outcome in outcomes
        if outcome.state in ("failed", "killed")
    ]


_BAR = re.compile(r"\d+%\|.*(it/s|s/it)")


def last_words(log: Path) -> str:
    """The last line that a command printed, without Hydra's advice and bars of progress."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()] if log.is_file() else []
    advice = ("Set the environment variable HYDRA", "# ")
    kept = [line for line in lines if line and not line.startswith(advice) and not _BAR.search(line)]
    return kept[-1] if kept else ""
