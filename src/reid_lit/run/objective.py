"""What a sweep maximises: a score on the test's data, or ``val/<score>`` on persons held out from training."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_lit.errors import InputError
from reid_lit.evaluation import catalogue
from reid_lit.wording import unknown

if TYPE_CHECKING:  # tables read scores without importing torch and Lightning
    import pytorch_lightning as pl

    from reid_lit.data.base import ReidData
    from reid_lit.models.base import RetrievalModel
    from reid_lit.run.results import Row

HELD_OUT = "val/"
"""How an objective starts that no test person has a part in."""


def check_objective(name: str, data: ReidData) -> None:
    """Raise InputError unless the objective can be computed; before training starts.

    Args:
        name: The config's ``objective``.
        data: What is trained on, after ``setup``.

    Raises:
        ValueError: it is no score, a score that is better when lower, or one of held-out persons, and none are held
            out.
    """
    check_maximised(name)
    if name.startswith(HELD_OUT) and data.validation is None:
        raise InputError(
            f"objective={name} is a score of held-out training persons, and none are held out: give"
            f" dataset.val_persons=<number>"
        )


def check_maximised(name: str) -> None:
    """Raise InputError unless the objective is a score that is better when higher.

    Args:
        name: The config's ``objective``.

    Raises:
        ValueError: there is no such score, or a lower one is better.
    """
    if not isinstance(name, str):
        raise InputError(f"objective={name}: give the name of one score, such as mAP or {HELD_OUT}mAP")
    score = name.removeprefix(HELD_OUT)
    metric = catalogue.find(score)
    if metric is None:
        raise InputError(f"objective={name}: {unknown('score', score, catalogue.names())}")
    if not metric.higher_is_better:
        instead = f"{name.removesuffix(score)}mAP"
        raise InputError(
            f"objective={name}: a sweep maximises it, but a lower {metric.label} is better; give objective={instead}"
        )


def held_out_scores(trainer: pl.Trainer, model: RetrievalModel, data: ReidData) -> dict[str, float]:
    """The scores of the held-out persons by the weights that are tested, by name; none without such persons.

    They are computed anew: the last validation may be epochs before the end, or of other weights than those chosen.

    Args:
        trainer: After ``fit``. Its loggers get nothing: their rows are of epochs.
        model: What was trained.
        data: What it was trained on.
    """
    if data.validation is None:
        return {}
    loggers, trainer.loggers = trainer.loggers, []
    try:
        trainer.validate(model, datamodule=data, verbose=False)
    finally:
        trainer.loggers = loggers
    scores = {name: value for name, value in trainer.callback_metrics.items() if name.startswith(HELD_OUT)}
    return {name.removeprefix(HELD_OUT): float(value) for name, value in scores.items()}


def over_splits(folders: Sequence[Path]) -> dict[str, Any]:
    """The fact ``validation`` of several splits: the means of the scores that all of their ``metrics.json`` have."""
    scores = [json.loads((folder / "metrics.json").read_text()).get("validation", {}) for folder in folders]
    shared = [name for name in scores[0] if all(name in split for split in scores)]
    means = {name: statistics.fmean(split[name] for split in scores) for name in shared}
    return {"validation": means} if means else {}


def objective_of(name: str, facts: Mapping[str, Any], results: Sequence[Row]) -> float | None:
    """The score that ``objective`` names; None where the protocol gives no such score.

    >>> objective_of("val/mAP", {"validation": {"mAP": 0.5}}, [{"scores": {"mAP": 0.7}}])
    0.5
    >>> objective_of("mAP", {}, [{"scores": {"mAP": 0.7}}])
    0.7

    Args:
        name: The config's ``objective``.
        facts: Of the training; ``validation`` has the scores of the held-out persons.
        results: Rows of results; the first is looked at.
    """
    if name.startswith(HELD_OUT):
        return facts.get("validation", {}).get(name[len(HELD_OUT) :])
    return results[0]["scores"].get(name) if results else None
