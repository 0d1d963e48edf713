"""Stop a training when the time of its SLURM job is over, where it can go on bit for bit."""

import logging
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from reid_lit.jobs.turn import TurnOver, is_over

_log = logging.getLogger(__name__)


class Turn(pl.Callback):
    """After SIGUSR1, end the epoch and stop behind its checkpoint; or stop at once where it takes too long.

    A checkpoint in the middle of an epoch could not be gone on from bit for bit: what models and samplers do at the
    beginning of an epoch (new clusters, a new draw) would be missing. So the steps of an epoch that cannot end in time
    are given up, and the checkpoint of the epoch before is what the next turn goes on from.

    Args:
        notice: Seconds that SLURM gives between the signal and the end, as in ``--signal=USR1@90``, less what
            validation and the checkpoint take.
        every: Steps from one question to the ranks to the next, whether one of them has heard the signal.
    """

    def __init__(self, *, notice: int, every: int) -> None:
        self.notice = notice
        self.every = every
        self._epoch_start = 0.0
        self._ending = False
        self._epochs = 0

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_over(trainer)
        self._epoch_start = time.monotonic()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._ending or (trainer.world_size > 1 and (batch_idx + 1) % self.every) or not _heard(trainer):
            return
        taken, left = time.monotonic() - self._epoch_start, int(trainer.num_training_batches) - batch_idx - 1
        needed = trainer.strategy.broadcast(taken / (batch_idx + 1) * left)  # the clock of the first rank decides
        self._ending = needed <= self.notice
        if not self._ending:
            words = "SIGUSR1: epoch %d needs %.0f s more and is given up; the checkpoint of the epoch before it stands"
            rank_zero_only(_log.warning)(words, trainer.current_epoch + 1, needed)
            if not self._epochs:
                words = "no epoch came to its end in this turn: give the job more time than an epoch takes"
                rank_zero_only(_log.error)(words)
            raise TurnOver(again=self._epochs > 0)
        words = "SIGUSR1: stops after epoch %d, in %.0f s"
        rank_zero_only(_log.warning)(words, trainer.current_epoch + 1, needed)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epochs += 1

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_over(trainer)

    @override
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_over(trainer)

    @override
    def on_test_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        if trainer.world_size == 1:  # of several ranks, each has its own number of batches
            self._stop_if_over(trainer)

    def _stop_if_over(self, trainer: pl.Trainer) -> None:
        if _heard(trainer):
            raise TurnOver


def _heard(trainer: pl.Trainer) -> bool:
    """Whether one of the ranks has heard the signal; every rank asks at the same place."""
    return trainer.strategy.reduce_boolean_decision(is_over(), all=False)
