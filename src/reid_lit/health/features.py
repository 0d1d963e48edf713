"""Watches over the features of a training with labels: whether they still differ between images."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.health.collapse import Collapse
from reid_lit.health.measures import effective_rank, feature_spread
from reid_lit.losses.batch_hard import BatchHardTripletLoss, active_share
from reid_lit.losses.criterion import Term
from reid_lit.records import Batch, Output

_DEAD = 1e-6
"""A mean norm below this is that of features without a direction."""


class FeatureWatch(pl.Callback):
    """Logs how much the features of a training batch differ, and stops a network that has died.

    ``train/feature_norm``: the mean length of the pooled features. ``train/feature_spread``: the mean distance of the
    unit features to their mean, 0 where all are alike. ``train/feature_rank``: in how many directions they vary.
    ``train/<loss>_active``: of a batch-hard triplet loss, the share of anchors that still have a loss. Training is not
    changed, and nothing is drawn. A model that gives no :class:`~reid_lit.records.Output` is not watched.

    A network whose features are the same for all images learns no more: the ID loss stays at ln(persons), the triplet
    loss at its margin.

    Args:
        every: Steps from one look to the next.
        least_spread: Below it the features of all images are the same.
        looks: So many looks in a row with such features, or without a length, stop the training.

    Raises:
        InputError: a number is out of range.
        Collapse: the features have died (in training).
    """

    def __init__(self, *, every: int, least_spread: float, looks: int) -> None:
        for name, value in (("every", every), ("looks", looks)):
            if value < 1:
                raise InputError(f"{name}={value}: give a number of 1 or more")
        self.every, self.least_spread, self.looks = every, least_spread, looks
        self._output: Output | None = None
        self._hook: Any = None
        self._in_a_row = 0
        self._look_next = False

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._in_a_row = 0
        self._hook = pl_module.register_forward_hook(self._keep)

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._look_next = (trainer.global_step + 1) % self.every == 0

    def _keep(self, module: nn.Module, _: Any, output: Any) -> None:
        if self._look_next and module.training and isinstance(output, Output):
            logits = None if output.logits is None else output.logits.detach()
            parts = {name: part.detach() for name, part in output.parts.items()}
            self._output = Output(output.feature.detach(), output.embedding.detach(), logits, parts)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        output, self._output = self._output, None
        if output is None or not isinstance(batch, Batch):
            return
        figures = self._figures(pl_module, output, batch.person)
        for name, value in figures.items():
            pl_module.log(f"train/{name}", value, batch_size=1)
        is_alike = figures["feature_norm"] < _DEAD or figures["feature_spread"] < self.least_spread
        self._in_a_row = self._in_a_row + 1 if is_alike else 0
        if trainer.strategy.reduce_boolean_decision(self._in_a_row >= self.looks):
            raise Collapse(_words(trainer, figures, since=trainer.global_step - self.every * (self._in_a_row - 1)))

    def _figures(self, model: nn.Module, output: Output, person: Tensor) -> dict[str, float]:
        feature = output.feature.float()
        figures = {
            "feature_norm": float(feature.norm(dim=1).mean()),
            "feature_spread": feature_spread(feature),
            "feature_rank": effective_rank(feature),
        }
        terms = {name.rpartition(".")[2]: part for name, part in model.named_modules() if isinstance(part, Term)}
        for name, term in terms.items():
            if isinstance(term.loss, BatchHardTripletLoss):
                compared = output.named(term.reads[0]).float()
                compared = nn.functional.normalize(compared) if term.loss.normalise else compared
                share = active_share(compared, person, margin=term.loss.margin, squared=term.loss.squared)
                figures[f"{name}_active"] = share
        return figures

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._forget()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._forget()

    def _forget(self) -> None:
        if self._hook is not None:
            self._hook.remove()
        self._hook = self._output = None


def _words(trainer: pl.Trainer, figures: dict[str, float], *, since: int) -> str:
    """What has happened, and what helps."""
    rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
    if figures["feature_norm"] < _DEAD:
        fact = f"all features have length {figures['feature_norm']:.1g}: every unit of the last layer is dead"
    else:
        fact = f"the features of all images are the same (spread {figures['feature_spread']:.1g})"
    return (
        f"{fact}, since step {since} or before (epoch {trainer.current_epoch + 1}): the losses stand still, and the"
        f" scores would be those of chance. The last checkpoint stays. Most often the learning rate is too high for"
        f" this network, {rate:.3g} at this step: lower optimizer.lr, warm up (scheduler.build.warm_epochs), or give"
        " the network a neck behind its features (neck=bnneck); ~callbacks.features trains on all the same"
    )
