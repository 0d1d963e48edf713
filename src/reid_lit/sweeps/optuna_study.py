"""A study: trainings whose hyper-parameters Optuna chooses by earlier scores, for the highest ``objective``."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Transformer
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from reid_lit.errors import FailedError, InputError, MissingPackageError
from reid_lit.jobs.lock import holding
from reid_lit.paths import write_text
from reid_lit.run.objective import HELD_OUT, check_maximised
from reid_lit.wording import counted

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

_log = logging.getLogger(__name__)


def run_study(
    config: DictConfig, arguments: Sequence[str], launcher: Launcher, *, trials: int, at_once: int, seed: int
) -> float:
    """Run trials until ``trials`` are finished, and write ``study.json`` into the sweep's folder.

    The same command with ``hydra.sweep.dir=<that folder>`` resumes an interrupted study. A trial that fails is not
    repeated. It counts as finished.

    Args:
        config: The sweep's config.
        arguments: Overrides of every trial, ranges among them; of the same key the last one counts.
        launcher: Runs the trials.
        trials: The number of trials.
        at_once: Trials between two choices.
        seed: Of the choices.

    Returns:
        The highest objective.

    Raises:
        MissingPackageError: Optuna is not installed.
        ValueError: there is no range, or the objective is a score on test persons.
        RuntimeError: no trial came to a score, or another process runs the study of that folder.
    """
    space = Space.of(arguments)
    _check(config, space)
    folder = Path(config.hydra.sweep.dir)
    with _alone(folder):
        study = open_study(folder, seed=seed)
        while (left := trials - len(finished(study))) > 0:
            tried = [study.ask(space.ranges) for _ in range(min(at_once, left))]
            first = tried[0].number
            returns = launcher.launch([space.overrides(trial.params) for trial in tried], initial_job_idx=first)
            for trial, job in zip(tried, returns, strict=True):
                _tell(study, trial, job)
            write_text(folder / "study.json", json.dumps(summary(study, str(config.objective)), indent=2) + "\n")
    done = finished(study)
    scored = [trial for trial in done if trial.value is not None]
    if not scored:
        raise FailedError(f"{counted(len(done), 'trial')}, but none came to a score; look at the logs in {folder}")
    best = study.best_trial
    _log.info("best of %s: %s %.4f with %s", counted(len(scored), "trial"), config.objective, best.value, best.params)
    _log.info("%s has all of them", folder / "study.json")
    return float(best.value or 0.0)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's folder: another process would take the trials that run for killed ones.

    Raises:
        FailedError: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder) as mine:
        if not mine:
            raise FailedError(
                f"{folder.resolve()}: another process runs the study of this folder, which chooses each trial by those"
                f" before; wait for its end, or give hydra.sweep.dir=<another folder> for a study of its own"
            )
        yield


def _check(config: DictConfig, space: "Space") -> None:
    if not space.ranges:
        raise InputError(
            "a study without a range: give one, such as 'optimizer.lr=interval(1e-4, 1e-3)', or +sweeps=<name>"
        )
    if not str(config.objective).startswith(HELD_OUT):
        raise InputError(
            f"objective={config.objective} would choose hyper-parameters by the persons of the test; give"
            f" objective=val/mAP and dataset.val_persons=<number>, training persons that are held out"
        )
    check_maximised(str(config.objective))


@dataclass(frozen=True, slots=True)
class Space:
    """The overrides of a study: those that it varies and those that it keeps.

    Attributes:
        ranges: The ranges by key.
        fixed: Overrides of every trial.
    """

    ranges: "dict[str, BaseDistribution]"
    fixed: tuple[str, ...]

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "Space":
        """The ranges among overrides, and the others.

        Raises:
            MissingPackageError: Optuna is not installed.
        """
        overrides = OverridesParser.create().parse_overrides(list(arguments))
        parsed = {override.get_key_element(): override for override in overrides}
        ranges = {key: range_of(override) for key, override in parsed.items() if override.is_sweep_override()}
        fixed = [str(override.input_line) for override in parsed.values() if not override.is_sweep_override()]
        return cls(ranges, tuple(fixed))

    def overrides(self, chosen: dict[str, Any]) -> list[str]:
        """The overrides of a trial."""
        return [*self.fixed, *(f"{key}={value}" for key, value in chosen.items())]


def range_of(override: Override) -> "BaseDistribution":
    """A range in Hydra's words as Optuna's distribution.

    Raises:
        MissingPackageError: Optuna is not installed.
    """
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    except ModuleNotFoundError as error:
        raise MissingPackageError("no package optuna; install it with: pip install optuna") from error
    value = override.value()
    if isinstance(value, IntervalSweep) and value.start is not None and value.end is not None:
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        log = "log" in value.tags
        return (
            IntDistribution(int(value.start), int(value.end), log=log)
            if whole
            else FloatDistribution(float(value.start), float(value.end), log=log)
        )
    choices: list[Any] = list(override.sweep_iterator(transformer=Transformer.encode))
    return CategoricalDistribution(choices)


def finished(study: "optuna.Study") -> list[Any]:
    """The trials that have a score, or failed by themselves."""
    return [trial for trial in study.trials if trial.value is not None or "reason" in trial.user_attrs]


def open_study(folder: Path, *, seed: int) -> "optuna.Study":
    """The study of a folder. It survives a kill: a trial that was running then is tried next.

    Args:
        folder: The folder of the sweep.
        seed: Of the choices; a resumed study makes new ones.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / "study.log")))
    study = optuna.create_study(study_name="study", storage=storage, direction="maximize", load_if_exists=True)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def _tell(study: "optuna.Study", trial: "optuna.Trial", job: JobReturn) -> None:
    """Record a trial's score in the study, or its failure."""
    import optuna

    try:
        value = job.return_value
    except Exception as error:  # a trial's failure stops no other trial
        reason = str(error)
    else:
        reason = "" if isinstance(value, int | float) else "its objective gave no score"
    if reason:
        _log.warning("trial %d with %s failed: %s", trial.number, trial.params, reason)
        trial.set_user_attr("reason", reason)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, float(value))


def summary(study: "optuna.Study", objective: str) -> dict[str, Any]:
    """The trials in JSON's types, the best first.

    Args:
        study: The study.
        objective: The name of the score that was maximised.
    """
    trials = [
        {"trial": trial.number, objective: trial.value, "params": trial.params, **trial.user_attrs}
        for trial in finished(study)
    ]
    best = sorted(trials, key=lambda trial: (trial[objective] is None, -(trial[objective] or 0.0)))
    return {"objective": objective, "trials": best}
