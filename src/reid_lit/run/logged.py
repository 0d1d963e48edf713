"""What commands log, in one way to all loggers: settings, what is maximised, results, pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.loggers import CSVLogger, Logger

from reid_lit.progress import first_rank
from reid_lit.run.folder import Run

_CSV = "csv"


def check_loggers(config: DictConfig) -> None:
    """Raise unless the loggers of a command can log; called before any work.

    Raises:
        InputError: a server cannot be reached.
        MissingPackageError: a package is not installed.
    """
    if "tensorboard" in config.logger:
        from reid_lit.run.tensorboard_logger import check_package

        check_package()
    if "mlflow" in config.logger:
        from reid_lit.run.mlflow_logger import check

        check(config.logger.mlflow.tracking_uri)


def log_objective(loggers: Sequence[Logger], value: float | None) -> None:
    """Log what a sweep maximises as ``objective``, the metric that W&B's sweep files name.

    Args:
        loggers: The run's loggers; CSV's gets no value, since ``metrics.json`` has the score under its name.
        value: The score; None is not logged.
    """
    for logger in loggers:
        if value is not None and not isinstance(logger, CSVLogger):
            logger.log_metrics({"objective": value})
            logger.save()


def log_results(config: DictConfig, run: Run) -> None:
    """Log the scores of a finished test to all loggers but CSV, means over splits as ``metrics.json`` has them.

    They are the numbers that tables show, under the names of a training's own tests: ``test/<data set>/<score>``.

    Args:
        config: Of a command that tests without a training.
        run: Its folder.
    """
    if not first_rank() or set(config.logger) <= {_CSV}:
        return
    results = run.metrics()["results"]
    scores = {f"test/{row['dataset']}/{name}": value for row in results for name, value in row["scores"].items()}
    loggers = _beside_csv(config)
    try:
        for logger in loggers:
            logger.log_metrics(scores)
    finally:
        finish(loggers)


def log_figure(config: DictConfig, name: str, picture: Path) -> None:
    """Log a figure to all loggers but CSV; all figures of a folder go into one run of theirs."""
    loggers = _beside_csv(config)
    try:
        log_pictures(loggers, {f"figures/{name}": picture})
    finally:
        finish(loggers)


def log_pictures(loggers: Sequence[Logger], pictures: Mapping[str, Path]) -> None:
    """Log picture files by name to the loggers that take pictures: W&B's, TensorBoard's and MLflow's."""
    for logger in loggers:
        log_image: Any = getattr(logger, "log_image", None)
        for name, file in pictures.items() if log_image is not None else ():
            log_image(key=name, images=[str(file)])


def finish(loggers: Sequence[Logger]) -> None:
    """End what the loggers have begun: files are whole, runs are marked as finished."""
    try:
        for logger in loggers:
            logger.finalize("success")
    finally:
        wandb.finish()


def _beside_csv(config: DictConfig) -> list[Logger]:
    return [instantiate(entry, _convert_="all") for name, entry in config.logger.items() if name != _CSV]
