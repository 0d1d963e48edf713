"""Watches over an adaptation without labels: figures by epoch, an alarm at a collapse, a choice of the epoch."""

import csv
import io
import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.health.collapse import Limits
from reid_lit.health.domains import Domain, looked_at, trained_before
from reid_lit.health.figures import BETTER, as_it_is, health_figures
from reid_lit.health.oracle import oracle_scores, oracle_table
from reid_lit.models.base import RetrievalModel
from reid_lit.paths import write_text

_log = logging.getLogger(__name__)

Row = dict[str, float]

LAST = "last"
_PRESSES = ("difference_weight", "reconstruction_weight", "train_backbone_epochs", "variant", "threshold")
"""Keys of models that decide how hard an adaptation presses on the features."""


class Health(pl.Callback):
    """Looks at a fixed choice of training images before training and after epochs, and writes what it sees.

    The figures go into ``<folder>/health.csv`` and, as ``health/…``, to the loggers; epochs are counted from 1, 0 is
    before training. Nothing of it touches what is learnt: the figures are those of
    :func:`~reid_lit.health.figures.health_figures`, on rank 0, without a draw from the random state. Person labels of
    the target are not read, unless the oracle is asked for.

    Args:
        folder: The run's folder.
        seed: Of the choice of images.
        images: Of each domain, at most.
        every: Epochs from one look to the next; there is one after the last epoch too.
        batch_size: Images embedded at once.
        probe_folds: As in :func:`reid_lit.health.figures.health_figures`, like the rest of the figures' settings.
        cluster_share: Likewise.
        cluster_smallest: Likewise.
        limits: Beyond which the run is stopped.
        selection: ``last``: the last weights are tested. A figure: those of the epoch where it was best, which are
            kept in ``checkpoints/chosen.ckpt``; the run goes on from its last ones all the same.
        oracle: Whether each look also tests on the target's test, logged as ``oracle/…`` and written to
            ``<folder>/oracle.csv``. It uses target labels; nothing is chosen by it.

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
    ) -> None:
        _check(images=images, every=every, probe_folds=probe_folds, cluster_share=cluster_share, selection=selection)
        self.folder = Path(folder)
        self.seed = seed
        self.images = images
        self.every = every
        self.limits = limits
        self.selection = selection
        self.oracle = oracle
        self.rows: list[Row] = []
        self.oracle_rows: list[Row] = []
        self.chosen: dict[str, Any] | None = None
        self._settings = {
            "batch_size": batch_size,
            "probe_folds": probe_folds,
            "cluster_share": cluster_share,
            "cluster_smallest": cluster_smallest,
            "seed": seed,
        }
        self._before: list[str] | None = None  # kept in the checkpoint: the earlier run may be gone
        self._domains: dict[str, Domain] = {}

    @property
    def _chosen_file(self) -> Path:
        return self.folder / "checkpoints" / "chosen.ckpt"

    @override
    def state_dict(self) -> dict[str, Any]:
        kept = {"rows": self.rows, "oracle_rows": self.oracle_rows, "before": self._before}
        return kept | {"chosen": self.chosen}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.oracle_rows = list(state_dict["rows"]), list(state_dict["oracle_rows"])
        self._before, chosen = state_dict["before"], state_dict["chosen"]
        self.chosen = chosen if chosen and chosen["figure"] == self.selection else None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            few = {"images": self.images, "seed": self.seed}
            if self._before is None:
                self._before = trained_before(getattr(pl_module, "weights", None), **few)
            self._domains = looked_at(trainer.datamodule, self._before, **few)  # type: ignore[attr-defined]
            if self.chosen is None:
                self._chosen_file.unlink(missing_ok=True)  # of an earlier start
        if not self.rows:
            self._look(trainer, pl_module, trainer.current_epoch)
        elif trainer.is_global_zero:
            self._write()
        if self.selection != LAST and self.selection not in self.rows[0]:
            raise InputError(
                f"callbacks.health.selection={self.selection} is not measured here; choose last, or one of"
                f" {', '.join(name for name in BETTER if name in self.rows[0])}"
            )

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch % self.every == 0 or epoch == trainer.max_epochs:
            self._look(trainer, pl_module, epoch)
            self._choose(trainer, pl_module, epoch)

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.oracle_rows and trainer.is_global_zero:
            Console().print(oracle_table(self.oracle_rows))
        if self.selection == LAST:
            return
        if self.chosen is None:
            _log.warning("health: no epoch has a %s: the last weights are tested", self.selection)
            return
        state = torch.load(self._chosen_file, map_location="cpu", weights_only=True)
        pl_module.load_state_dict(state["state_dict"])
        pl_module.selected = self.chosen  # type: ignore[assignment]

    def _look(self, trainer: pl.Trainer, model: Any, epoch: int) -> None:
        """Measure, write, and stop the run where features have collapsed; every rank takes part."""
        figures: Row = {}
        scores: Row = {}
        with as_it_is(model):
            if trainer.is_global_zero:
                with trainer.precision_plugin.val_step_context():
                    figures = health_figures(model, self._domains, **self._settings)  # type: ignore[arg-type]
            if self.oracle:
                scores = oracle_scores(trainer, model, trainer.datamodule)  # type: ignore[attr-defined]
        self.rows.append({"epoch": epoch, **trainer.strategy.broadcast(figures)})
        if scores:
            self.oracle_rows.append({"epoch": epoch, **scores})
        if trainer.is_global_zero:
            self._write()
            self._log(trainer, epoch, scores)
        if epoch > 0 and model.feature_learns:
            cure = f"Lower optimizer.lr, or what presses on the features{_pressing(model)}"
            self.limits.check(self.rows[-1], self.rows[0], epoch=epoch, cure=cure)

    def _choose(self, trainer: pl.Trainer, model: RetrievalModel | Any, epoch: int) -> None:
        """Keep the weights where they are the best so far; every rank takes part."""
        value = self.rows[-1].get(self.selection)
        if value is None or (self.chosen and BETTER[self.selection](value, self.chosen["value"]) != value):
            return
        if self.chosen and value == self.chosen["value"]:
            return
        self.chosen = {"epoch": epoch, "figure": self.selection, "value": value}
        model.selected = self.chosen
        trainer.save_checkpoint(self._chosen_file, weights_only=True)
        model.selected = None  # the last checkpoint is not a chosen one

    def _write(self) -> None:
        write_text(self.folder / "health.csv", _as_csv(self.rows))
        if self.oracle_rows:
            write_text(self.folder / "oracle.csv", _as_csv(self.oracle_rows))

    def _log(self, trainer: pl.Trainer, epoch: int, scores: Row) -> None:
        figures = {f"health/{name}": value for name, value in self.rows[-1].items() if name != "epoch"}
        figures |= {f"oracle/{name}": value for name, value in scores.items()}
        for logger in trainer.loggers:
            step = max(0, trainer.global_step - 1)  # as Lightning counts what belongs to an epoch
            logger.log_metrics(figures | {"epoch": max(0, epoch - 1)}, step=step)


def _pressing(model: RetrievalModel) -> str:
    own = [f"model.{name}={getattr(model, name)}" for name in _PRESSES if hasattr(model, name)]
    return f" (now {', '.join(own)})" if own else ""


def _as_csv(rows: list[Row]) -> str:
    """A line for each row, a column for each name; what a row lacks is empty."""
    file = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _check(*, images: int, every: int, probe_folds: int, cluster_share: float, selection: str) -> None:
    if images < 2 or every < 1 or probe_folds < 2 or not 0 < cluster_share <= 1:
        raise InputError(
            f"callbacks.health: images={images} must be ≥ 2, every={every} ≥ 1, probe_folds={probe_folds} ≥ 2 and"
            f" cluster_share={cluster_share} in (0, 1]"
        )
    if selection != LAST and selection not in BETTER:
        raise InputError(
            f"callbacks.health.selection={selection!r} is no figure that tells a better epoch; choose {LAST}, or one of"
            f" {', '.join(BETTER)}"
        )
