"""``python -m reid_lit.evaluate run=<folder>``: test a finished run again, with any data set and evaluation."""

from pathlib import Path

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict

from reid_lit.entry import launch
from reid_lit.loggers import on_rank_zero
from reid_lit.runs import Run
from reid_lit.testing import record, test, test_sets


def evaluate(config: DictConfig) -> float | None:
    """Test the weights of ``config.run``; the results lie in a folder of their own under it.

    Returns:
        The score named by ``objective`` on the first data set tested.
    """
    trained, run = Run(Path(config.run)), Run(Path(config.run_dir))
    checkpoint = trained.read_checkpoint()
    if on_rank_zero():
        run.record_start(config)
    with open_dict(config):
        config.backbone.weights = "none"  # the checkpoint has them
        config.trainer.logger = False  # the run's own log stays as it is
        for training_only in ("checkpoint", "learning_rate"):
            config.callbacks.pop(training_only, None)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    model = instantiate(config.model, _convert_="all")(persons=checkpoint["persons"])
    model.load_state_dict(checkpoint["state_dict"])
    sets = test_sets(config, instantiate(config.dataset, _convert_="all"))
    trainer: pl.Trainer = instantiate(config.trainer, _convert_="all")
    results = test(trainer, model, sets)
    if trainer.is_global_zero:
        record(run, config, {"run": str(config.run)}, results)
    return results[0].result.scores.get(config.objective)


if __name__ == "__main__":
    launch(evaluate, config_name="evaluate")
