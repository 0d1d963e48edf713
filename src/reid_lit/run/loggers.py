"""Where numbers go while a model trains."""

import csv
import logging
import netrc
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import DummyLogger, rank_zero_experiment
from typing_extensions import override

from reid_lit.backbones.checkpoint import read_checkpoint
from reid_lit.files.log import read_log
from reid_lit.network import unreachable
from reid_lit.paths import write_text, write_whole
from reid_lit.progress import first_rank

_log = logging.getLogger(__name__)

TAG = 64
"""Characters that W&B takes of a tag."""


class _Writer(ExperimentWriter):
    """Lightning's, but a file with new columns is written whole or not at all, and with the rows of before."""

    @override
    def save(self) -> None:
        names = sorted({*self.metrics_keys}.union(*self.metrics))
        if names != self.metrics_keys:
            file = Path(self.metrics_file_path)
            write_whole(file, partial(_write, names, [*read_log(file), *self.metrics]))
            self.metrics, self.metrics_keys = [], names
        super().save()  # it adds rows to the end


def _write(names: Sequence[str], rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, names)
        writer.writeheader()
        writer.writerows(rows)


class _Csv(CSVLogger):
    """Lightning's, with our writer."""

    @property
    @override
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            self._experiment = _Writer(log_dir=self.log_dir)
        return self._experiment


def csv_logger(*, folder: str) -> CSVLogger:
    """``<folder>/log/metrics.csv``; in a resumed run it goes on after the rows that the checkpoint knows.

    Lightning's logger alone deletes the file of an earlier start, and a kill while it adds a column loses it.

    Args:
        folder: The run's folder.
    """
    logger = _Csv(save_dir=folder, name="", version="log", flush_logs_every_n_steps=1)
    if first_rank():
        _keep_history(logger, Path(folder))
    return logger


def _keep_history(logger: CSVLogger, folder: Path) -> None:
    """Pass the rows of an earlier start, up to its checkpoint, to a new logger."""
    current, kept = folder / "log", folder / "log.before"
    if not (kept / ExperimentWriter.NAME_METRICS_FILE).is_file():  # else a start was killed before it had its rows
        shutil.rmtree(kept, ignore_errors=True)
        if current.exists():
            current.rename(kept)
    if not kept.exists():
        return
    shutil.rmtree(current, ignore_errors=True)
    steps = _steps_done(folder / "checkpoints" / "last.ckpt")
    rows = read_log(kept / ExperimentWriter.NAME_METRICS_FILE)
    logger.experiment.metrics = [row | {"step": step} for row in rows if (step := int(row.get("step", steps))) < steps]
    logger.save()
    shutil.rmtree(kept)


def _steps_done(checkpoint: Path) -> int:
    """The number of steps that a checkpoint has behind it; 0 without one."""
    if not checkpoint.is_file():
        return 0
    return int(read_checkpoint(checkpoint)["global_step"])


def wandb_logger(
    *, folder: str, project: str, group: str, job_type: str, tags: Sequence[str | None], config: Mapping[str, Any]
) -> Logger:
    """Weights & Biases; offline, and saying so, without an account or a network.

    With ``WANDB_MODE=disabled`` it is a logger that logs nothing, and this is said.

    A resumed run goes on under its own id.

    Args:
        folder: The run's folder; offline runs are kept there, for ``wandb sync``.
        project: W&B's project.
        group: Runs that belong together, by experiment.
        job_type: What the run does: train, stage, evaluate, figure.
        tags: Words to filter by; None is left out, and so are repetitions.
        config: Keys to filter by; a training adds its whole config. Of ``choices``, Hydra's own are left out.
    """
    if os.environ.get("WANDB_MODE") == "disabled":
        if first_rank():
            _log.warning("WANDB_MODE=disabled: nothing is logged to W&B, and no run of it is written")
        return DummyLogger()
    run_id, resumed = _run_id(Path(folder) / "wandb_id")
    reason = why_offline()
    if reason and first_rank():
        _log.warning("W&B logs offline to %s/wandb (%s); `wandb sync` sends it later", folder, reason)
    return WandbLogger(
        save_dir=folder,
        project=project,
        group=group,
        job_type=job_type,
        tags=[tag[:TAG] for tag in dict.fromkeys(tags) if tag],
        config={**config, "choices": _own(config.get("choices", {}))},
        name=Path(folder).name,
        id=run_id,
        resume="allow" if resumed and not reason else None,
        offline=bool(reason),
        settings=wandb.Settings(silent=True),
    )


def _own(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Options by group, without Hydra's own groups."""
    return {group: option for group, option in choices.items() if not group.startswith("hydra/")}


def _run_id(file: Path) -> tuple[str, bool]:
    """The run's W&B id and whether it was there before; in a W&B sweep its agent gives the id."""
    if os.environ.get("WANDB_SWEEP_ID") and (given := os.environ.get("WANDB_RUN_ID")):
        return given, False
    if file.is_file():
        return file.read_text().strip(), True
    run_id = secrets.token_hex(4)
    if first_rank():
        write_text(file, run_id)
    return run_id, False


def why_offline() -> str:
    """Why W&B cannot be online; empty when it can."""
    if os.environ.get("WANDB_MODE", "online") != "online":
        return f"WANDB_MODE is {os.environ['WANDB_MODE']}"
    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    if not os.environ.get("WANDB_API_KEY") and not _has_login(urlparse(server).hostname or ""):
        return "no account on this machine: `wandb login`"
    reason = unreachable(server)
    return f"{server} cannot be reached: {reason}" if reason else ""


def _has_login(host: str) -> bool:
    """Whether `wandb login` left a key for ``host`` in the netrc file."""
    try:
        file = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
        return netrc.netrc(file).authenticators(host) is not None
    except (OSError, RuntimeError, netrc.NetrcParseError):  # RuntimeError: a user without a home
        return False
