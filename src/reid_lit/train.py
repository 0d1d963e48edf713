"""``python -m reid_lit.train +experiment=duke_hrnet``: train, test and show a model."""

import logging
import time
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import wandb
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from reid_lit.entry import launch
from reid_lit.loggers import on_rank_zero
from reid_lit.runs import Run
from reid_lit.testing import record, test, test_sets

_log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Train and test what ``config`` describes, in its run folder.

    Returns:
        The score named by ``objective`` on the first data set tested, for sweeps.
    """
    run = Run(Path(config.run_dir))
    if on_rank_zero():
        run.record_start(config)
    checkpoint = _resumed(run, config)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data = instantiate(config.dataset, _convert_="all")
    data.prepare_data()
    data.setup("fit")
    sets = test_sets(config, data)
    model = instantiate(config.model, _convert_="all")(persons=data.persons)
    trainer: pl.Trainer = instantiate(config.trainer, _convert_="all")
    for logger in trainer.loggers:
        logger.log_hyperparams(cast(dict, OmegaConf.to_object(config)))
    try:
        start = time.perf_counter()
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
        seconds = time.perf_counter() - start
        results = test(trainer, model, sets)
        if trainer.is_global_zero:
            facts = {"epochs": trainer.current_epoch, "train_seconds": round(seconds, 1)}
            record(run, config, facts, results)
        return results[0].result.scores.get(config.objective)
    finally:
        wandb.finish()


def _resumed(run: Run, config: DictConfig) -> Path | None:
    """The checkpoint to go on from; None for a new run."""
    if config.resume is None:
        return None
    if Path(config.resume).resolve() != run.folder.resolve():
        raise ValueError(f"resume={config.resume} goes on in that folder; leave out hydra.run.dir={run.folder}")
    if not run.checkpoint.is_file():
        _log.warning("%s was killed before its first epoch ended: it starts again", run.folder)
        return None
    run.read_checkpoint()  # refuses one that holds code, before anything else is done
    return run.checkpoint


if __name__ == "__main__":
    launch(train, config_name="train")
