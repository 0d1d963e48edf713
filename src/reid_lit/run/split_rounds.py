"""One command, several trainings: a round for each split of a protocol that averages over splits."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from reid_lit.backbones.checkpoint import weights_file
from reid_lit.errors import MissingFileError
from reid_lit.progress import first_rank
from reid_lit.run.datasets import chosen, make_data, split_ids, with_split
from reid_lit.run.folder import Run, splits_of
from reid_lit.run.objective import objective_of, over_splits
from reid_lit.run.results import Row, record
from reid_lit.run.start_weights import keep_start_weights

_log = logging.getLogger(__name__)

Round = Callable[[DictConfig, Run], tuple[dict[str, Any], list[Row]]]
"""The work for one split, in its folder: it returns facts and rows of results."""


def run_rounds(
    config: DictConfig, do: Round, facts: dict[str, Any] | None = None, *, begins: bool = True
) -> float | None:
    """Call ``do`` once, or once for each split, and record the results.

    Each split has a folder of its own below the run's; a split that is finished there is not repeated.

    Args:
        config: The config of the command.
        do: Trains and tests, or tests.
        facts: What goes into ``metrics.json`` of all rounds together.
        begins: Whether the start is recorded now; else ``do`` does it, once it is sure that the run goes on.

    Returns:
        The score named by ``objective``, see :mod:`reid_lit.run.objective`, for sweeps.
    """
    run = Run(Path(config.run_dir))
    if first_rank() and begins:
        run.record_start(config)
        keep_start_weights(run, config)
    ids = split_ids(config)
    if ids is None:
        own, rows = do(config, run)
    else:
        for split_id in ids:
            make_data(with_split(config, split_id))  # an error of one is raised before the first is trained
        own, rows = {}, []
        for place, split_id in enumerate(ids, 1):
            rank_zero_only(_log.info)("split %d: %d of %d", split_id, place, len(ids))
            rows += _round(config, split_id, do)
    if not first_rank():
        return None
    keep_start_weights(run, config)  # a stage before it was trained meanwhile
    if ids is not None:
        own = over_splits([folder_of(run.folder, split_id) for split_id in ids])
    results = record(run, config, {"trained_on": chosen()} | own | (facts or {}), rows)
    return objective_of(config.objective, own, results)


def _round(config: DictConfig, split_id: int, do: Round) -> list[Row]:
    """The rows of one split: read from its folder where it is finished, else computed and recorded there."""
    run = Run(folder_of(Path(config.run_dir), split_id))
    if (done := run.folder / "metrics.json").is_file():
        metrics = json.loads(done.read_text())
        return metrics.get("splits", metrics["results"])
    part = with_split(config, split_id)
    with open_dict(part):
        part.run_dir = str(run.folder)
    facts, rows = do(part, run)
    rows = [row | {"round": split_id} for row in rows]
    if first_rank():
        record(run, part, {"trained_on": chosen()} | facts, rows)
    return rows


def trained_run(config: DictConfig) -> Run:
    """The run that ``config.run`` names; where that trained several splits, the run of ``dataset.split_id``.

    Raises:
        FileNotFoundError: it has weights for each split alone, and ``dataset.split_id`` names none of them.
    """
    run = Run(Path(config.run))
    split_id = config.dataset.get("split_id")
    if (split := folder_of(run.folder, split_id)).is_dir():
        return Run(split)
    trained = [place.name.removeprefix("split_") for place in splits_of(run.folder) if weights_file(place).is_file()]
    if trained and not weights_file(run.folder).is_file():
        raise MissingFileError(
            f"{run.folder} has weights for each split, of {', '.join(trained)}, and none for"
            f" dataset.split_id={split_id}; choose one of them by dataset.split_id, or by its folder, which does for"
            f" another data set too: run={folder_of(run.folder, int(trained[0]))}"
        )
    return run


def in_one_split(config: DictConfig) -> DictConfig:
    """The config of a single split: the first, which is said, where ``config.dataset`` asks for several."""
    if (ids := split_ids(config)) is None:
        return config
    words = "%d splits; split %d is looked at, choose another by dataset.split_id"
    rank_zero_only(_log.warning)(words, len(ids), ids[0])
    return with_split(config, ids[0])


def folder_of(folder: Path, split_id: int | None) -> Path:
    """The folder of a split's training, in the folder of a run."""
    return folder / f"split_{split_id}"
