"""``python -m reid_lit.train +experiment=duke_hrnet``: train, test and show a model."""

import copy
import functools
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import wandb
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.seed import isolate_rng

from reid_lit.command.launch import launch
from reid_lit.data.base import ReidData
from reid_lit.errors import InputError
from reid_lit.models.base import RetrievalModel
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import Run
from reid_lit.run.identity import composed
from reid_lit.run.lineage import Lineage, absolute, check_apart, inherited, read_lineage
from reid_lit.run.loggers import log_objective, on_rank_zero
from reid_lit.run.objective import check_objective, held_out_scores, objective_of
from reid_lit.run.results import Row, averaged
from reid_lit.run.split_rounds import run_rounds
from reid_lit.run.stages import Stage, check_start, plan_stages, run_stages
from reid_lit.tables.command import for_hydra
from reid_lit.testing.limits import check_limit
from reid_lit.testing.tests import check_unseen, find_tests, run_tests

_log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Train and test what ``config`` describes, in its run folder.

    Returns:
        The score named by ``objective``, of the first data set tested or of the held-out persons, for sweeps.
    """
    if config.resume is not None and Path(config.resume).resolve() != Path(config.run_dir).resolve():
        raise InputError(f"resume={config.resume} goes on in that folder; leave out hydra.run.dir={config.run_dir}")
    stages = plan_stages(config)
    return run_rounds(config, functools.partial(train_once, stages=stages))


def train_once(config: DictConfig, run: Run, stages: Sequence[Stage] = ()) -> tuple[dict[str, Any], list[Row]]:
    """One training and its tests: facts for ``metrics.json``, and rows of results.

    Args:
        config: What is trained.
        run: Where.
        stages: What it goes on from; trained first, once its own data and settings are found to be sound.
    """
    checkpoint = _resumed(run, config)
    if checkpoint is None:  # which has all of it
        check_start(config, stages)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data = make_data(config)
    data.prepare_data()
    data.setup("fit")
    check_objective(config.objective, data)
    tests = find_tests(config, data)
    check_unseen(absolute(data.split.train), tests)
    if checkpoint is None:
        rehearse(config, stages, data)
        run_stages(stages)
    model = instantiate(config.model, _convert_="all")(persons=data.persons)
    check_limit(model, tests)
    if checkpoint is None:
        before = inherited(config)
        check_unseen(before.trained, tests)
        check_apart(model.unlabelled(data.split), before.labelled, name=data.split.name)
        if on_rank_zero():
            (learnt_from(model, data) | before).write(run.folder)
    trainer: pl.Trainer = instantiate(config.trainer, _convert_="all")
    for logger in trainer.loggers:
        logger.log_hyperparams(cast(dict, OmegaConf.to_object(config)))
    try:
        start = time.perf_counter()
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
        seconds = round(time.perf_counter() - start, 1)
        selected = {} if model.selected is None else {"selected": model.selected}
        facts = {"epochs": trainer.current_epoch, "train_seconds": seconds} | selected
        facts |= {"validation": held_out} if (held_out := held_out_scores(trainer, model, data)) else {}
        rows = run_tests(trainer, model, tests)
        log_objective(trainer.loggers, objective_of(config.objective, facts, averaged(rows)))
        return facts, rows
    finally:
        wandb.finish()


def rehearse(config: DictConfig, stages: Sequence[Stage], data: ReidData) -> None:
    """Whether the model and those of the stages before it can be built and trained: sooner said than after the stages.

    Raises:
        ValueError: one cannot, or the persons of the target are known to what is adapted to it.
    """
    if all(stage.job.done for stage in stages):
        return
    model = _checked(config, data)
    before = inherited(config)
    for stage in stages:
        if stage.job.done:
            before |= read_lineage(stage.job.folder)
            continue
        asked = OmegaConf.create(composed(stage.job.overrides))
        material = make_data(asked)
        material.prepare_data()
        material.setup("fit")
        before |= learnt_from(_checked(asked, material), material)
    check_apart(model.unlabelled(data.split), before.labelled, name=data.split.name)


def learnt_from(model: RetrievalModel, data: ReidData) -> Lineage:
    """The images that a training shows."""
    shown = absolute(data.split.train)
    return Lineage(shown, shown - absolute(model.unlabelled(data.split)))


def _checked(config: DictConfig, data: ReidData) -> RetrievalModel:
    """The model without weights, once it has said that it can be trained with these data."""
    bare = copy.deepcopy(config)
    bare.backbone.weights = "none"
    with isolate_rng():
        model: RetrievalModel = instantiate(bare.model, _convert_="all")(persons=data.persons)
    model.check_data(data, config.trainer.max_epochs)
    return model


def _resumed(run: Run, config: DictConfig) -> Path | None:
    """The checkpoint to go on from; None for a new run."""
    if config.resume is None:
        return None
    if not run.checkpoint.is_file():
        if run.folder.is_dir():  # a split of several may not have been begun
            _log.warning("%s was killed before its first epoch ended: it starts again", run.folder)
        return None
    run.read_checkpoint()  # refuses one that holds code, before anything else is done
    return run.checkpoint


if __name__ == "__main__":
    launch(train, config_name="train", reword=for_hydra)
