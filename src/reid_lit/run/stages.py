"""The stages before a run: earlier trainings by the same command, each in a process of its own.

The key ``before`` of an experiment names them in order::

    before:
      embedding: {experiment: duke_embae, overrides: [], gives: model.weights}
      autoencoder: {experiment: duke_embae_autoencoder, overrides: [model.cameras=8], gives: model.weights}

A stage gets the overrides of the command line for the keys that ``conf/keys.yaml`` lists (``around``, such as those of
the machine, and ``stages``) and for the keys that the stage ``takes`` in addition (``takes: [dataset]``: it trains on
the same data), but none for the keys that it ``leaves``; an entry of these with a value (``trainer=low_memory``) is
of that value alone. What a stage ``takes`` itself is not left by ``conf/keys.yaml``.
The run folder of a stage becomes the value of the key that it ``gives``: of the next stage, and the last one's of the
run itself. Where that key is given on the command line, that stage and those before it are not needed. A stage whose
own experiment has ``before`` trains those first.
"""

import fnmatch
import hashlib
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from reid_lit.errors import FailedError, InputError, MissingFileError
from reid_lit.jobs.job import Job
from reid_lit.jobs.runner import Runner
from reid_lit.overrides import assignment, key_of, literal, value_of
from reid_lit.progress import first_rank
from reid_lit.run.composing import composed, explained
from reid_lit.run.identity import keys, training_hash
from reid_lit.run.moved_keys import present

_log = logging.getLogger(__name__)

_ENTRY = {"experiment", "overrides", "gives", "takes", "leaves"}


@dataclass(frozen=True, slots=True)
class Stage:
    """An earlier run whose weights a run starts from.

    Attributes:
        gives: The key, of what comes after it, that gets its run folder.
        job: Its command and its folder.
    """

    gives: str
    job: Job

    def override(self) -> str:
        """The override that passes its run folder to what comes after it."""
        return assignment(self.gives, self.job.folder)


def plan_stages(config: DictConfig) -> list[Stage]:
    """The stages that the run of ``config`` needs; the last one's folder is put in its place in ``config``.

    Raises:
        ValueError: a stage of ``before`` lacks its experiment or what it gives, or cannot be composed.
    """
    entries = stage_entries(config)
    arguments = list(HydraConfig.get().overrides.task)
    stages: list[Stage] = []
    for name in _needed(entries, arguments, config):
        overrides = _overrides(entries[name], config, arguments)
        before = stages[-1:]
        digest = _digest(name, overrides, [stage.job.folder.name for stage in before])
        folder = Path(config.before_dir) / f"{name}-{digest}"
        overrides += [*(stage.override() for stage in before), "labels.job=stage"]
        if config.machine.num_nodes > 1:  # a job is a process of its own, and starts ranks on its own machine alone
            overrides.append("machine.num_nodes=1")
        job = Job(name=f"stage {name!r} of {config.name}", folder=folder, overrides=tuple(overrides))
        stages.append(Stage(entries[name]["gives"], job))
    if stages:
        OmegaConf.update(config, stages[-1].gives, str(stages[-1].job.folder))
    return stages


def check_start(config: DictConfig, stages: Sequence[Stage]) -> None:
    """Raise unless the weights that a run starts from are there or come from ``stages``; before any data are read.

    Raises:
        ValueError: the model goes on from another run, and none is named.
        FileNotFoundError: the one that is named has no weights.
    """
    for key in ("model.weights", "backbone.weights"):
        value = OmegaConf.select(config, key, default="none")
        if value in ("none", "imagenet") or key in (stage.gives for stage in stages):
            continue
        cure = f"train that run first, then set {key}=<its folder>; or leave {key} out of the command where the"
        cure += " experiment has before, and it is trained for you"
        if value is None:
            raise InputError(
                f"{key}=null: {config.name} goes on from a run of the stage before, but none is named; {cure}"
            )
        file = Path(value) / "checkpoints" / "last.ckpt" if Path(value).is_dir() else Path(value)
        if not file.is_file():
            raise MissingFileError(f"{key}={value}: there are no weights at {file.resolve()}; {cure}")
        if Path(value).is_dir() and not (Path(value) / "metrics.json").is_file() and first_rank():
            _log.warning("%s=%s has not trained to its end; its last whole epoch is gone on from", key, value)


def run_stages(stages: Sequence[Stage]) -> None:
    """Train the stages that are not finished, in order; every rank but the first waits for them.

    Raises:
        RuntimeError: one failed.
    """
    for number, job in enumerate((stage.job for stage in stages), 1):
        while not first_rank() and not job.done:
            _check_first_machine(job)
            time.sleep(1.0)
        if job.done:
            continue
        _log.info("%s, %d of %d before it; what it prints: %s", job.name, number, len(stages), job.log)
        outcome = Runner().run(job)
        if outcome.state != "done":
            raise FailedError(
                f"{job.name} {outcome.state}: {outcome.reason}; all that it printed is in {job.log.resolve()}; once the"
                f" cause is gone, resume=<the folder of this run> goes on there"
            )


def _check_first_machine(job: Job) -> None:
    """Raise FailedError where torchrun has ended on the first machine, which trains the stages."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return  # no torchrun that answers there for as long as it runs
    try:
        socket.create_connection((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])), timeout=60).close()
    except OSError as error:
        raise FailedError(
            f"{job.name} has not come to its end, and torchrun has, on the first machine ({os.environ['MASTER_ADDR']}:"
            f" {error}); see what it printed there"
        ) from error


def stage_entries(config: DictConfig) -> dict[Any, Mapping[str, Any]]:
    """What ``before`` says of each stage, by the stage's name.

    Raises:
        InputError: it says less or more than a stage has.
    """
    before = config.before
    if before is not None and not isinstance(before, Mapping):
        raise InputError(f"before={literal(before)}: give stages by name, before.<name>={{experiment: …, gives: …}}")
    return {name: _checked(name, entry) for name, entry in (before or {}).items()}


def _checked(name: Any, entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping) or set(entry) - _ENTRY or not entry.get("experiment") or not entry.get("gives"):
        raise InputError(
            f"before.{name}={entry}: a stage has experiment (what is trained), gives (the key that gets its run folder,"
            f" such as model.weights) and, if anything is to differ, overrides, takes and leaves (lists)"
        )
    return entry


def _needed(entries: Mapping[str, Mapping[str, Any]], arguments: Sequence[str], config: DictConfig) -> list[str]:
    """The names of the stages behind the last one whose folder is given."""
    names: list[str] = []
    last = [*entries.values()][-1:]
    if last and OmegaConf.select(config, last[0]["gives"]) not in (None, "none", "imagenet"):
        return names
    after: Sequence[str] = arguments
    for name, entry in reversed(list(entries.items())):
        if entry["gives"] in {key_of(override) for override in after if value_of(override) not in ("", "null")}:
            break
        names.insert(0, name)
        after = entry.get("overrides") or []
    return names


def _overrides(entry: Mapping[str, Any], config: DictConfig, arguments: Sequence[str]) -> list[str]:
    """The overrides of a stage, without the folder of the stage before it."""
    own_takes = _below(entry.get("takes"))
    takes = [*_below(keys("around")), *keys("stages.takes"), *own_takes]
    leaves = [*(key for key in keys("stages.leaves") if key not in own_takes), *_below(entry.get("leaves"))]
    shared = [override for override in arguments if _matches(override, takes) and not _matches(override, leaves)]
    own = [*(entry.get("overrides") or []), *config.before_overrides]
    return present([f"+experiment={entry['experiment']}", *shared, *own])


def _below(names: Sequence[str] | None) -> list[str]:
    """Patterns of keys, and of all keys below them."""
    return [f"{name}{end}" for name in names or () for end in ("", ".*")]


def _digest(name: str, overrides: Sequence[str], before: Sequence[str]) -> str:
    """The hash in the name of a stage's folder: of its config and of the stages before it."""
    try:
        config = composed(tuple(overrides))
    except HydraException as error:
        raise InputError(
            f"stage {name!r} cannot be composed: {explained(error)}\nIt was asked for with {' '.join(overrides)};"
            f" before.{name} says by overrides, takes and leaves what it gets"
        ) from error
    return hashlib.sha256("\n".join([training_hash(config, config["seed"]), *before]).encode()).hexdigest()[:8]


def _matches(override: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(override if "=" in pattern else key_of(override), pattern) for pattern in patterns)
