"""Watches over an adaptation without labels: figures by epoch, an alarm at a collapse, a choice of the epoch."""

import logging
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from rich.console import Console
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.health.agreement import round_agreement
from reid_lit.health.collapse import Limits
from reid_lit.health.domains import WatchedImages, earlier_images, watched_images
from reid_lit.health.figures import BETTER, FigureSettings, evaluating, health_figures
from reid_lit.health.oracle import oracle_scores, oracle_table
from reid_lit.health.series import Figures, write_series
from reid_lit.models.base import RetrievalModel

_log = logging.getLogger(__name__)

LAST = "last"


class Health(pl.Callback):
    """Measures a fixed choice of training images before training and after epochs, and writes the figures.

    The figures are written to ``<folder>/health.csv`` and, as ``health/…``, to the loggers; epochs are counted from 1,
    0 is before training. Training is not changed: the figures are those of
    :func:`~reid_lit.health.figures.health_figures`, on rank 0, without a draw from the random state. Person labels of
    the target are not read, unless ``oracle`` is set.

    Args:
        folder: The run's folder.
        seed: Of the choice of images.
        images: Of each domain, at most.
        every: Epochs from one measurement to the next; the last epoch is measured too.
        batch_size: Images embedded at once.
        probe_folds: As in :class:`~reid_lit.health.figures.FigureSettings`.
        cluster_share: As in :class:`~reid_lit.health.figures.FigureSettings`.
        cluster_smallest: As in :class:`~reid_lit.health.figures.FigureSettings`.
        limits: Beyond which the run is stopped.
        selection: ``last``: the last weights are tested. A figure: those of the epoch where it was best, which are
            kept in ``checkpoints/chosen.ckpt``; a resumed run still continues from its last ones.
        oracle: Whether each measurement also tests on the target's test, logged as ``oracle/…`` and written to
            ``<folder>/oracle.csv``. It uses target labels; nothing is chosen by it.
        agreement: Whether the clusters of a model that trains in rounds are compared with the true persons where these
            are known, at the same places. It uses target labels too.

    Raises:
        ValueError: a number is out of range, or the selection is no figure to choose by.
        Collapse: a figure is beyond its limit (in training).
    """

    def __init__(
        self,
        *,
        folder: str,
        seed: int,
        images: int,
        every: int,
        batch_size: int,
        probe_folds: int,
        cluster_share: float,
        cluster_smallest: int,
        limits: Limits,
        selection: str,
        oracle: bool,
        agreement: bool,
    ) -> None:
        _check(images=images, every=every, selection=selection)
        self.folder = Path(folder)
        self.seed = seed
        self.images = images
        self.every = every
        self.limits = limits
        self.selection = selection
        self.oracle = oracle
        self.agreement = agreement
        self.rows: list[Figures] = []
        self.oracle_rows: list[Figures] = []
        self.chosen: dict[str, Any] | None = None
        self._settings = FigureSettings(
            batch_size=batch_size,
            probe_folds=probe_folds,
            cluster_share=cluster_share,
            cluster_smallest=cluster_smallest,
            seed=seed,
        )
        self._earlier: list[str] | None = None  # kept in the checkpoint: the earlier run may be gone
        self._domains: dict[str, WatchedImages] = {}

    @property
    def _chosen_file(self) -> Path:
        return self.folder / "checkpoints" / "chosen.ckpt"

    @override
    def state_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "oracle_rows": self.oracle_rows,
            "before": self._earlier,
            "chosen": self.chosen,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.oracle_rows = list(state_dict["rows"]), list(state_dict["oracle_rows"])
        self._earlier, chosen = state_dict["before"], state_dict["chosen"]
        self.chosen = chosen if chosen and chosen["figure"] == self.selection else None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        model = cast(RetrievalModel, pl_module)
        if trainer.is_global_zero:
            self._choose_images(trainer, model)
            if self.chosen is None:
                self._chosen_file.unlink(missing_ok=True)  # of an earlier start
        if not self.rows:
            self._measure(trainer, model, trainer.current_epoch)
        elif trainer.is_global_zero:
            self._write()
        if self.selection != LAST and self.selection not in self.rows[0]:
            raise InputError(
                f"selection={self.selection} is not measured here; choose last, or one of"
                f" {', '.join(name for name in BETTER if name in self.rows[0])}"
            )

    def _choose_images(self, trainer: pl.Trainer, model: RetrievalModel) -> None:
        if self._earlier is None:
            self._earlier = earlier_images(model.weights, images=self.images, seed=self.seed)
        data = trainer.datamodule  # type: ignore[attr-defined]
        self._domains = watched_images(data, self._earlier, images=self.images, seed=self.seed)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        model, epoch = cast(RetrievalModel, pl_module), trainer.current_epoch + 1
        if epoch % self.every == 0 or epoch == trainer.max_epochs:
            self._measure(trainer, model, epoch)
            self._keep_best(model, epoch)

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.oracle_rows and trainer.is_global_zero:
            Console().print(oracle_table(self.oracle_rows))
        if self.selection == LAST:
            return
        if self.chosen is None:
            _log.warning("health: no epoch has a %s: the last weights are tested", self.selection)
            return
        checkpoint = torch.load(self._chosen_file, map_location="cpu", weights_only=True)
        cast(RetrievalModel, pl_module).load_weights(checkpoint)

    def _measure(self, trainer: pl.Trainer, model: RetrievalModel, epoch: int) -> None:
        """Measure, write, and stop the run where features have collapsed; every rank takes part."""
        figures: Figures = {}
        scores: Figures = {}
        with evaluating(model):
            if trainer.is_global_zero:
                with trainer.precision_plugin.val_step_context():
                    figures = health_figures(model, self._domains, self._settings)
            if self.oracle:
                scores = oracle_scores(trainer, model, trainer.datamodule)  # type: ignore[attr-defined]
        if epoch > 0:  # of the round that this epoch trained on
            figures |= model.round_figures
            if self.agreement:
                scores |= round_agreement(model, trainer.datamodule)  # type: ignore[attr-defined]
        self.rows.append({"epoch": epoch, **trainer.strategy.broadcast(figures)})
        if scores:
            self.oracle_rows.append({"epoch": epoch, **scores})
        if trainer.is_global_zero:
            self._write()
            self._log(trainer, epoch, scores)
        if epoch > 0 and model.feature_learns:
            self.limits.check(self.rows[-1], self.rows[0], epoch=epoch, cure=_cure(model))

    def _keep_best(self, model: RetrievalModel, epoch: int) -> None:
        """Keep the weights where they are the best so far; every rank takes part."""
        value = self.rows[-1].get(self.selection)
        if value is None:
            return
        if self.chosen is not None:
            best = self.chosen["value"]
            if value == best or BETTER[self.selection](value, best) != value:
                return
        self.chosen = {"epoch": epoch, "figure": self.selection, "value": value}
        model.save_selected(self._chosen_file, self.chosen)

    def _write(self) -> None:
        write_series(self.folder / "health.csv", self.rows)
        if self.oracle_rows:
            write_series(self.folder / "oracle.csv", self.oracle_rows)

    def _log(self, trainer: pl.Trainer, epoch: int, scores: Figures) -> None:
        figures = {f"health/{name}": value for name, value in self.rows[-1].items() if name != "epoch"}
        figures |= {f"oracle/{name}": value for name, value in scores.items()}
        for logger in trainer.loggers:
            step = max(0, trainer.global_step - 1)  # as Lightning counts the steps of an epoch
            logger.log_metrics(figures | {"epoch": max(0, epoch - 1)}, step=step)


def _cure(model: RetrievalModel) -> str:
    """Which settings to change after a collapse, in words."""
    settings = ", ".join(f"model.{name}={getattr(model, name)}" for name in model.strength_settings)
    return f"Lower optimizer.lr, or how strongly the adaptation changes the features{settings and f' (now {settings})'}"


def _check(*, images: int, every: int, selection: str) -> None:
    if images < 2:
        raise InputError(f"images={images} must be ≥ 2")
    if every < 1:
        raise InputError(f"every={every} must be ≥ 1")
    if selection != LAST and selection not in BETTER:
        raise InputError(
            f"selection={selection} is no figure by which an epoch can be chosen; choose {LAST}, or one of"
            f" {', '.join(BETTER)}"
        )
