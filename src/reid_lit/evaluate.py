"""``python -m reid_lit.evaluate run=<folder>``: test a finished run again, with any data set and evaluation."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict

from reid_lit.choices import make_data
from reid_lit.entry import launch
from reid_lit.results import Row
from reid_lit.rounds import folder_of, run_rounds
from reid_lit.runs import Run
from reid_lit.testing import find_tests, run_tests


def evaluate(config: DictConfig) -> float | None:
    """Test the weights of ``config.run``; the results lie in a folder of their own under it.

    Returns:
        The score named by ``objective`` on the first data set tested.
    """
    return run_rounds(config, evaluate_once, {"run": str(config.run)})


def evaluate_once(config: DictConfig, run: Run) -> tuple[dict[str, Any], list[Row]]:
    """Test one training: facts for ``metrics.json``, and rows of results."""
    trained = Run(Path(config.run))
    if run.folder.name.startswith("split_") and not trained.checkpoint.is_file():
        trained = Run(folder_of(trained.folder, config.dataset.split_id))
    checkpoint = trained.read_checkpoint()
    with open_dict(config):
        config.backbone.weights = "none"  # the checkpoint has them
        config.trainer.logger = False  # the run's own log stays as it is
        for training_only in ("checkpoint", "learning_rate"):
            config.callbacks.pop(training_only, None)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    model = instantiate(config.model, _convert_="all")(persons=checkpoint["persons"])
    model.load_state_dict(checkpoint["state_dict"])
    tests = find_tests(config, make_data(config))
    trainer: pl.Trainer = instantiate(config.trainer, _convert_="all")
    return {}, run_tests(trainer, model, tests)


if __name__ == "__main__":
    launch(evaluate, config_name="evaluate")
