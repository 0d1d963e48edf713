"""``python -m reid_lit.evaluate run=<folder>``: test a finished run again, with any data set and evaluation."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from reid_lit.choices import make_data
from reid_lit.entry import launch
from reid_lit.results import Row
from reid_lit.rounds import folder_of, run_rounds
from reid_lit.runs import Run
from reid_lit.testing import check_unseen, find_tests, run_tests, trained_model


def evaluate(config: DictConfig) -> float | None:
    """Test the weights of ``config.run``; the results lie in a folder of their own under it.

    Returns:
        The score named by ``objective`` on the first data set tested.
    """
    return run_rounds(config, evaluate_once, {"run": str(config.run)})


def evaluate_once(config: DictConfig, _run: Run) -> tuple[dict[str, Any], list[Row]]:
    """Test one training: facts for ``metrics.json``, and rows of results."""
    trained = Run(Path(config.run))
    split = folder_of(trained.folder, config.dataset.get("split_id"))
    if split.is_dir():  # the run trained several, each in a folder of its own
        trained = Run(split)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    model = trained_model(config, trained)
    tests = find_tests(config, make_data(config))
    check_unseen(trained.training_list(), tests)
    trainer: pl.Trainer = instantiate(config.trainer, _convert_="all")
    return {}, run_tests(trainer, model, tests)


if __name__ == "__main__":
    launch(evaluate, config_name="evaluate")
