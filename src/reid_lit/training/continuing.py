"""A training that goes on from its checkpoint: at which rate, by which schedule, how long, and what its folder says."""

import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.models.base import RetrievalModel
from reid_lit.run.folder import Run

_log = logging.getLogger(__name__)

Rates = dict[str, float]
"""Learning rates by the name of the parameter group."""


class Continued(pl.Callback):
    """Says at which rate a resumed training goes on, and lays its schedule out anew where that is asked for.

    A checkpoint has the rates of its own schedule. One that is laid out over the whole training gives others where the
    training has another length now: the rate would jump to them after the first step.

    Args:
        stretch: Whether such a schedule is taken over from the next step on.
        goes_on: Called on the first rank when the checkpoint is restored and training begins.

    Attributes:
        stretched: The lengths that the training was given later: after which epoch, and how many epochs it has.

    Raises:
        InputError: the rates are not those of the schedule, and ``stretch`` is false (in training).
    """

    def __init__(self, *, stretch: bool, goes_on: Callable[[], object]) -> None:
        self.stretch = stretch
        self.stretched: list[dict[str, int]] = []
        self._goes_on = goes_on
        self._change = ""
        self._said = False
        self._done = 0
        self._steps = -1

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"stretched": self.stretched}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.stretched = [dict(each) for each in state_dict["stretched"]]

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._done = int(checkpoint["epoch"]) + 1
        if checkpoint["global_step"] < trainer.max_steps:
            self._steps = trainer.max_steps

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._steps != -1:  # with a limit of steps, Lightning takes the end of an epoch for the midst of one
            trainer.fit_loop.epoch_loop.max_steps = -1

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._steps != -1:
            trainer.fit_loop.epoch_loop.max_steps = self._steps
        for config in trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, LRScheduler) and isinstance(pl_module, RetrievalModel):
                self._check(trainer, pl_module, config.scheduler)
        rank_zero_only(self._goes_on)()

    def facts(self, run: Run) -> dict[str, Any]:
        """What ``metrics.json`` says of it, once training has ended; a run of which nothing was left keeps its time."""
        facts: dict[str, Any] = {"stretched": self.stretched} if self.stretched else {}
        if not self._said:
            rank_zero_only(self._goes_on)()
            facts["epochs"] = self._done
            facts |= {key: value for key, value in run.metrics().items() if key == "train_seconds"}
        return facts

    def _check(self, trainer: pl.Trainer, model: RetrievalModel, scheduler: LRScheduler) -> None:
        """Compare the rates of the checkpoint with the schedule's; take over the schedule's if it is asked for."""
        now = rates_of(scheduler.optimizer)
        fresh = schedule_at(model, scheduler)
        due = rates_of(fresh.optimizer)
        if all(abs(now[name] - due[name]) <= 1e-6 * max(map(abs, (now[name], due[name], 1e-12))) for name in now):
            return
        if not self.stretch:
            raise InputError(
                f"the checkpoint's learning rate is {_words(now)}, and that of trainer.max_epochs={trainer.max_epochs}"
                f" and this schedule would be {_words(due)} at the same step. Give the length and the schedule that it"
                f" was trained with; or stretch=true, and the rate is the schedule's from here on"
            )
        scheduler.load_state_dict(fresh.state_dict())
        for group, other in zip(scheduler.optimizer.param_groups, fresh.optimizer.param_groups, strict=True):
            group.update({key: value for key, value in other.items() if key != "params"})
        self.stretched.append({"after_epoch": trainer.current_epoch, "max_epochs": int(trainer.max_epochs or -1)})
        self._change = f", in place of the checkpoint's {_words(now)}: the schedule is laid out anew (stretch=true)"

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._said:
            return
        self._said = True
        rates = {name: rate for optimizer in trainer.optimizers for name, rate in rates_of(optimizer).items()}
        rank_zero_only(_log.info)(
            "goes on after epoch %d%s, step %d%s; learning rate %s%s",
            trainer.current_epoch,
            _of(trainer.max_epochs),
            trainer.global_step,
            _of(trainer.max_steps),
            _words(rates),
            self._change,
        )


def _of(limit: int | None) -> str:
    """The number that a training ends at, in words; nothing where it is not limited."""
    return "" if limit in (None, -1) else f" of {limit}"


class Clock(pl.Callback):
    """The time that a training takes, over all of its starts; it is kept in the checkpoint.

    What a killed start trained after its last checkpoint is lost, and so is its time.
    """

    def __init__(self) -> None:
        self._before = 0.0
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Up to now, from the first start on."""
        return self._before + time.perf_counter() - self._start

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["seconds"]


def rates_of(optimizer: torch.optim.Optimizer) -> Rates:
    """The learning rates of an optimizer's groups."""
    return {str(group.get("name", place)): float(group["lr"]) for place, group in enumerate(optimizer.param_groups)}


def schedule_at(model: RetrievalModel, scheduler: LRScheduler) -> LRScheduler:
    """The schedule that the model's recipe builds, after as many steps as another one has taken.

    Its optimizer has the groups and first rates of the other one's, and weights that nobody uses.
    """
    groups = scheduler.optimizer.param_groups
    settings = [{key: value for key, value in group.items() if key not in _OF_A_SCHEDULE} for group in groups]
    make: Any = type(scheduler.optimizer)
    probe = make(
        [
            own | {"params": [nn.Parameter(torch.zeros(1))], "lr": group.get("initial_lr", group["lr"])}
            for own, group in zip(settings, groups, strict=True)
        ],
        lr=0.0,
    )
    fresh: LRScheduler = model.built_schedule(probe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the probe has taken no step
        for _ in range(scheduler.last_epoch):
            fresh.step()
    return fresh


_OF_A_SCHEDULE = frozenset({"params", "lr", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum"})
"""Keys of a parameter group that are its own or that a schedule writes."""


def _words(rates: Rates) -> str:
    """Rates in words, once where all groups agree."""
    if len(set(rates.values())) == 1:
        return f"{next(iter(rates.values())):.4g}"
    return ", ".join(f"{rate:.4g} ({name})" for name, rate in rates.items())
