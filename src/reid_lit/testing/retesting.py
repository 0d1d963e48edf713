"""The weights of a finished run, or of a published model, tested."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from reid_lit.errors import MissingFileError
from reid_lit.evaluation.streaming import check_streamable
from reid_lit.models.base import RetrievalModel
from reid_lit.progress import first_rank
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import SCORING, Run
from reid_lit.run.lineage import read_lineage
from reid_lit.run.listed import texts
from reid_lit.run.logged import check_loggers, log_results
from reid_lit.run.machine import make_trainer
from reid_lit.run.results import Row
from reid_lit.run.split_rounds import run_rounds, trained_run
from reid_lit.testing.distractors import EXAMPLE, Source, behind, of_file, of_folder
from reid_lit.testing.inference import provenance_of
from reid_lit.testing.limits import check_limits
from reid_lit.testing.tests import Test, find_tests, published_model, run_tests, trained_model
from reid_lit.testing.unseen import check_unseen

_log = logging.getLogger(__name__)


def evaluate_run(config: DictConfig) -> float | None:
    """Test the weights of ``config.run`` or ``config.weights``, of each split where it asks for several.

    Returns:
        The score named by ``objective`` on the first data set tested.
    """
    check_loggers(config)
    if config.get("weights") is None:
        _say_scoring(config)
        option = Run(Path(config.run)).option("dataset")  # this command's may be another one
        facts = {"run": str(config.run)} | ({"trained_on": option} if option else {})
    else:
        facts = {"weights": str(config.weights), "as": str(config["as"]), "trained_on": "unknown data"}
    objective = run_rounds(config, evaluate_once, facts)
    log_results(config, Run(Path(config.run_dir)))
    return objective


def evaluate_once(config: DictConfig, run: Run) -> tuple[dict[str, Any], list[Row]]:
    """Test one training: facts for ``metrics.json``, and rows of results."""
    pl.seed_everything(config.seed, workers=True, verbose=False)
    named = texts(config, "distractors", such=EXAMPLE)
    if config.get("weights") is None:
        trained = trained_run(config)
        model = trained_model(config, trained)
        tests = find_tests(config, make_data(config))
        check_unseen(read_lineage(trained.folder).trained, tests)
    else:  # what it learnt from is not known
        model = published_model(config)
        tests = find_tests(config, make_data(config))
    check_limits(model, [test.data for test in tests], streamed=bool(named))
    trainer = make_trainer(config)
    facts = {"distractors": named} if named else {}
    return facts, run_tests(trainer, model, tests, behind(_sources(config, named, trainer, model, tests)), run=run)


def _sources(
    config: DictConfig, named: Sequence[str], trainer: pl.Trainer, model: RetrievalModel, tests: list[Test]
) -> list[Source]:
    """The distractors that are named; folders are embedded."""
    if not named:
        return []
    for test in tests:  # before hours of embedding
        check_streamable(model.evaluation.under(test.data.split.rules))
    origin = provenance_of(model, tests[0].data.transform, str(trainer.precision))
    return [
        of_folder(Path(entry), config, trainer=trainer, model=model, origin=origin, dtype=config.distractors_dtype)
        if Path(entry).is_dir()
        else of_file(Path(entry), origin)
        for entry in named
    ]


def _say_scoring(config: DictConfig) -> None:
    """Log what of the scoring is another one than the run's own test had."""
    try:
        own = Run(Path(config.run)).config().evaluation
    except MissingFileError:  # a split's folder, or a run that is not whole, which is said later
        return
    changed = [key for key in SCORING if key in own and own[key] != config.evaluation[key]]
    said = [f"{key}={config.evaluation[key]} in place of {own[key]}" for key in changed]
    if said and first_rank():
        _log.warning("scored otherwise than the run's own test: %s", ", ".join(said))
