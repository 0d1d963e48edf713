"""One training and its tests."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import wandb
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from reid_lit.models.base import RetrievalModel
from reid_lit.progress import first_rank
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import Run, check_epochs
from reid_lit.run.lineage import absolute, check_apart, inherited, read_lineage
from reid_lit.run.logged import log_objective
from reid_lit.run.machine import compiled, make_trainer
from reid_lit.run.objective import check_objective, held_out_scores, objective_of
from reid_lit.run.results import Row, averaged
from reid_lit.run.stages import Stage, check_start, run_stages
from reid_lit.testing.tests import check_validation, find_tests, run_tests
from reid_lit.testing.unseen import check_unseen
from reid_lit.training.continuing import Clock, Continued
from reid_lit.training.low_memory import check_chunks
from reid_lit.training.rehearsal import (
    check_batch,
    check_before_data,
    check_tested,
    learnt_from,
    rehearse,
    without_weights,
)
from reid_lit.training.settings import check_settings

_log = logging.getLogger(__name__)


def train_once(
    config: DictConfig, run: Run, stages: Sequence[Stage] = (), goes_on: Callable[[], object] | None = None
) -> tuple[dict[str, Any], list[Row]]:
    """One training and its tests: facts for ``metrics.json``, and rows of results.

    Args:
        config: What is trained.
        run: Where.
        stages: What it goes on from; trained first, once its own data and settings are found to be sound.
        goes_on: Called on the first rank once a resumed training is found to be sound and goes on.
    """
    check_settings(config)
    checkpoint = _checkpoint_to_resume(run, config)
    if checkpoint is None:  # a checkpoint has all that the stages learnt
        check_start(config, stages)
        check_before_data(config, stages)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data = make_data(config)
    data.prepare_data()
    data.setup("fit")
    check_objective(config.objective, data)
    check_validation(config, data)
    tests = find_tests(config, data, needed=False)
    check_unseen(absolute(data.split.train) | data.fakes_made_from, tests)
    if checkpoint is not None:  # other tests than at the start may be asked for
        check_unseen(read_lineage(run.folder).trained, tests)
    tested = [test.data for test in tests]
    if checkpoint is None:
        rehearse(config, stages, data, tested)
        run_stages(stages)
    built = config if checkpoint is None else without_weights(config)  # what it started from may be gone
    model: RetrievalModel = instantiate(built.model, _convert_="all")(persons=data.persons)
    check_batch(config, model)
    check_chunks(config, model)
    check_tested(model, data, tested)
    if checkpoint is None:
        before = inherited(config)
        check_unseen(before.trained, tests)
        check_apart(model.unlabelled(data.split), before.labelled, name=data.split.name)
        if first_rank():
            (learnt_from(model, data) | before).write(run.folder)
    trainer = make_trainer(config)
    watch = _watched(trainer, config, checkpoint, goes_on)
    for logger in trainer.loggers:
        logger.log_hyperparams(cast(dict, OmegaConf.to_object(config)))
    try:
        cast(list, trainer.callbacks).append(clock := Clock())  # type: ignore[attr-defined]
        with compiled(config, model.backbone):
            trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
        seconds = round(clock.seconds, 1)
        selected = {} if model.selected is None else {"selected": model.selected}
        facts = (
            {"epochs": trainer.current_epoch, "train_seconds": seconds} | selected | (watch.facts(run) if watch else {})
        )
        facts |= {"validation": held_out} if (held_out := held_out_scores(trainer, model, data)) else {}
        rows = run_tests(trainer, model, tests, run=run)
        log_objective(trainer.loggers, objective_of(config.objective, facts, averaged(rows)))
        return facts, rows
    finally:
        wandb.finish()


def _checkpoint_to_resume(run: Run, config: DictConfig) -> Path | None:
    """The checkpoint to go on from; None for a new run."""
    if config.resume is None:
        return None
    if not run.checkpoint.is_file():
        if run.folder.is_dir():  # of several splits, this one may not have started
            _log.warning("%s was killed before its first epoch ended: it starts again", run.folder)
        return None
    length = config.trainer.max_epochs, config.trainer.get("max_steps", -1)
    if not check_epochs(run, *length):  # it refuses code too, before anything else is done
        rank_zero_only(_log.info)("%s: all its epochs are done; nothing is trained, it is tested", run.folder)
    return run.checkpoint


def _watched(
    trainer: pl.Trainer, config: DictConfig, checkpoint: Path | None, goes_on: Callable[[], object] | None
) -> Continued | None:
    """The callback of a training that goes on from a checkpoint; without one the training begins now."""
    goes_on = goes_on or _nothing
    if checkpoint is None:
        rank_zero_only(goes_on)()
        return None
    watch = Continued(stretch=config.stretch, goes_on=goes_on)
    cast(list, trainer.callbacks).append(watch)  # type: ignore[attr-defined]
    return watch


def _nothing() -> None:
    """For a training that begins: its start is recorded already."""
