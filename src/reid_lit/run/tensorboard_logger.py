"""TensorBoard: ``logger=tensorboard`` beside CSV, in the run's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from reid_lit.errors import MissingPackageError
from reid_lit.files.image import open_image
from reid_lit.progress import first_rank


class TensorBoard(TensorBoardLogger):
    """Lightning's logger, which also takes pictures as W&B's does, and shows what is maximised beside the settings."""

    @override
    @rank_zero_only
    def log_hyperparams(self, params: Any, metrics: Mapping[str, Any] | None = None, step: int | None = None) -> None:
        super().log_hyperparams(params, {"objective": float("nan"), **(metrics or {})}, step)  # known at the end

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[str], step: int | None = None) -> None:
        """Log picture files under a name."""
        for file in images:
            with open_image(file) as picture:
                self.experiment.add_image(key, np.asarray(picture.convert("RGB")), step, dataformats="HWC")


def tensorboard_logger(
    *, folder: str, group: str, job_type: str, tags: Sequence[str | None], config: Mapping[str, Any]
) -> TensorBoard:
    """``<folder>/tensorboard``; a resumed run goes on in another file there, as TensorBoard reads it.

    Args:
        folder: The run's folder.
        group: Runs that belong together, by experiment.
        job_type: What the run does: train, stage, evaluate, figure.
        tags: Words to filter by; None is left out.
        config: Keys to filter by, as text of the run; a training adds its whole config as hyper-parameters.

    Raises:
        MissingPackageError: the package tensorboard is not installed.
    """
    check_package()
    logger = TensorBoard(folder, name="", version="tensorboard")
    if first_rank():
        about = {"group": group, "job_type": job_type, "tags": ", ".join(dict.fromkeys(tag for tag in tags if tag))}
        lines = [f"{key}: {value}" for key, value in {**about, **config}.items() if value is not None]
        logger.experiment.add_text("run", "  \n".join([Path(folder).name, *lines]))
    return logger


def check_package() -> None:
    """Raise unless the package is installed.

    Raises:
        MissingPackageError: it is not.
    """
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "logger=tensorboard: no package tensorboard; install it with: pip install 'reid-lit[tensorboard]'"
        ) from error
