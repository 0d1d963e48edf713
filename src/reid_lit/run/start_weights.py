"""The installed ImageNet weights that a run starts from, and their licence, kept with the run."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reid_lit.backbones.installed import installed_weights
from reid_lit.run.folder import Run
from reid_lit.run.lineage import STARTS


def start_weights(config: DictConfig) -> dict[str, str] | None:
    """The installed weights that a run of ``config`` starts from, itself or through the run that it goes on from.

    None where there are none, or where a file of weights does not tell. See
    :attr:`reid_lit.backbones.installed.InstalledWeights.facts`.
    """
    starts = (OmegaConf.select(config, key) for key in ("run", *STARTS))
    start = next((str(start) for start in starts if start not in (None, "none")), None)
    if start == "imagenet":
        entry = installed_weights(str(OmegaConf.select(config, "backbone.name")))
        return entry.facts if entry else None
    return kept_start_weights(_run_of(Path(start))) if start else None


def kept_start_weights(run: Run) -> dict[str, str] | None:
    """The installed weights that a run has started from, as its ``environment.json`` tells."""
    return next((start["weights"] for start in reversed(run.starts()) if "weights" in start), None)


def keep_start_weights(run: Run, config: DictConfig) -> None:
    """Write the installed weights that ``run`` starts from into the last start of its ``environment.json``."""
    weights = start_weights(config)
    starts: list[dict[str, Any]] = run.starts()
    if weights and starts:
        run.write_json("environment.json", [*starts[:-1], starts[-1] | {"weights": weights}])


def _run_of(weights: Path) -> Run:
    """The run that a folder, a checkpoint in it, or one of its splits belongs to."""
    folder = weights.parents[1] if weights.parent.name == "checkpoints" else weights
    return Run(folder.parent if folder.name.startswith("split_") else folder)
