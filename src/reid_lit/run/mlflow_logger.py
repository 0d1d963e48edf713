"""MLflow: ``logger=mlflow`` beside CSV, in the run's folder or on a server."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, MLFlowLogger
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from reid_lit.errors import InputError, MissingPackageError
from reid_lit.network import unreachable
from reid_lit.paths import write_text
from reid_lit.progress import first_rank

_log = logging.getLogger(__name__)

_ADDRESS = "MLFLOW_TRACKING_URI"

_NO_SUCH_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's names of the errors for a run that it does not know, that is deleted, or whose id is none."""

for _switch in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_switch, "true")  # before mlflow is imported: it sends nothing about its use


class MlFlow(MLFlowLogger):
    """Lightning's logger, which also takes pictures as W&B's does, and goes on with the run of a resumed training."""

    @override
    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any]) -> None:  # type: ignore[override]
        known = self.experiment.get_run(self.run_id).data.params
        if not known:  # MLflow refuses another value; those of the first start stay
            super().log_hyperparams(dict(params))

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[str], step: int | None = None) -> None:  # noqa: ARG002 - files have none
        """Log picture files under a name, as artifacts of the run."""
        for file in images:
            self.experiment.log_artifact(self.run_id, file, artifact_path=key)


def mlflow_logger(
    *,
    folder: str,
    tracking_uri: str | None,
    project: str,
    group: str,
    job_type: str,
    tags: Sequence[str | None],
    config: Mapping[str, Any],
) -> Logger:
    """MLflow's tracking; a resumed run goes on under its own id, which ``<folder>/mlflow_id`` keeps.

    Where the store does not have that run, since it is another one or the run was deleted, a new one begins there.

    Args:
        folder: The run's folder.
        tracking_uri: A server, or a database; None: ``<folder>/mlflow.db``, with the pictures in ``<folder>/mlflow``.
        project: MLflow's experiment.
        group: Runs that belong together, by our experiment; the tag ``group``.
        job_type: What the run does: train, stage, evaluate, figure; the tag ``job_type``.
        tags: Words to filter by, in the tag ``tags``; None is left out.
        config: Keys to filter by, as tags; a training adds its whole config as parameters.

    Raises:
        InputError: the server cannot be reached, or it is no server and no database.
        MissingPackageError: the package mlflow is not installed.
    """
    check(tracking_uri)
    if not first_rank():  # it would make the same database at the same time
        return DummyLogger()
    place, file = Path(folder).resolve(), Path(folder) / "mlflow_id"
    words = ", ".join(dict.fromkeys(tag for tag in tags if tag))
    choices = {f"choices.{group}": option for group, option in config.get("choices", {}).items() if "/" not in group}
    about = {"group": group, "job_type": job_type, "tags": words, **config, **choices}
    make = partial(
        MlFlow,
        experiment_name=project,
        run_name=place.name,
        tracking_uri=tracking_uri or f"sqlite:///{place / 'mlflow.db'}",
        artifact_location=None if tracking_uri else str(place / "mlflow"),
        tags={key: str(value) for key, value in about.items() if value is not None and key != "choices"},
    )
    place.mkdir(parents=True, exist_ok=True)
    with _same_environment():
        if file.is_file() and _goes_on(logger := make(run_id=file.read_text().strip()), file):
            return logger
        logger = make()
        write_text(file, str(logger.run_id))
    return logger


def _goes_on(logger: MlFlow, file: Path) -> bool:
    """Go on with the run whose id ``file`` holds; False, which is said, where MLflow does not have it."""
    from mlflow.exceptions import MlflowException

    try:
        logger.experiment.update_run(logger.run_id, status="RUNNING")
    except MlflowException as error:
        if error.error_code not in _NO_SUCH_RUN:
            raise
        reason = str(error).partition("\n")[0]
        _log.warning("MLflow cannot go on with the run of %s (%s): it logs to a new one from here on", file, reason)
        return False
    return True


@contextmanager
def _same_environment() -> Iterator[None]:
    """Keep what MLflow writes into $MLFLOW_TRACKING_URI from the processes that are started later."""
    before = os.environ.get(_ADDRESS)
    try:
        yield
    finally:
        os.environ.pop(_ADDRESS, None)
        os.environ.update({} if before is None else {_ADDRESS: before})


def check(tracking_uri: str | None) -> None:
    """Raise unless MLflow is installed and ``tracking_uri`` answers within a second.

    Raises:
        InputError: it does not, or is no server and no database.
        MissingPackageError: mlflow is not installed.
    """
    try:
        import mlflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "logger=mlflow: no package mlflow; install it with: pip install 'reid-lit[mlflow]'"
        ) from error
    if tracking_uri is None:
        return
    said = f"logger.mlflow.tracking_uri={tracking_uri}"
    cure = "leave it out, and the run is logged to mlflow.db in its folder"
    kind = tracking_uri.partition("://")[0]
    if kind in ("http", "https"):
        if reason := unreachable(f"{tracking_uri.rstrip('/')}/health"):
            raise InputError(f"{said}: cannot be reached ({reason}); start that server, or {cure}")
    elif kind.partition("+")[0] not in ("sqlite", "postgresql", "mysql", "mssql", "databricks"):
        raise InputError(
            f"{said}: neither a server (http://…) nor a database (sqlite:///…; MLflow refuses file stores); {cure}"
        )
