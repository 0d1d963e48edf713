"""How a run came about: its starts, the runs and the weights that it started from, the images it learnt from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reid_lit.cards.terms import Used, trained_sets
from reid_lit.errors import UserError
from reid_lit.run.folder import Run
from reid_lit.run.lineage import STARTS, read_lineage
from reid_lit.run.start_weights import kept_start_weights
from reid_lit.run.trust import check_no_resolvers

_DEEPEST = 10
"""Runs that start from each other; no method has more stages."""


def plain(config: Any) -> dict[str, Any]:
    """A node of a config as a dictionary; what cannot be resolved stays as it is."""
    found = OmegaConf.to_container(config, resolve=False) if OmegaConf.is_config(config) else config
    return {str(key): value for key, value in found.items()} if isinstance(found, Mapping) else {}


def config_of(run: Run) -> DictConfig:
    """What a run was.

    Raises:
        FileNotFoundError: the folder is no run's folder.
        ValueError: a value would be computed when it is read, such as from the environment: a card is passed on.
    """
    config = run.config()
    check_no_resolvers(config, source=str(run.folder / "config.yaml"))
    return config


def training_of(run: Run, config: DictConfig) -> dict[str, Any]:
    """Seed, length, command, versions and machine of a training, as its folder tells."""
    starts, record = run.starts(), run.metrics()
    last = starts[-1] if starts else {}
    return {
        "seed": OmegaConf.select(config, "seed"),
        "epochs": record.get("epochs", OmegaConf.select(config, "trainer.max_epochs")),
        "seconds": record.get("train_seconds"),
        "commands": [start.get("command") for start in starts],
        "started": last.get("time"),
        "machine": last.get("machine"),
        "gpus": last.get("gpus"),
        "python": last.get("python"),
        "packages": last.get("packages"),
        "commit": last.get("git_commit"),
        "uncommitted_changes": last.get("git_uncommitted_changes"),
    }


def lineage_of_run(run: Run, config: DictConfig) -> dict[str, Any]:
    """The images that a run and those before it learnt from, by number, and these runs, the nearest first."""
    lineage = read_lineage(run.folder)
    known = (run.folder / "training_list.txt").is_file()
    return {
        "images": len(lineage.trained) if known else None,
        "labelled": len(lineage.labelled) if known else None,
        "runs": _before(config, _DEEPEST),
    }


def _before(config: DictConfig, deepest: int) -> list[dict[str, Any]]:
    found = []
    for key in STARTS:
        value = OmegaConf.select(config, key, default=None)
        if value in (None, "none", "imagenet"):
            continue
        path = Path(str(value))
        folder = path.parents[1] if path.parent.name == "checkpoints" else path
        entry: dict[str, Any] = {"from": folder.name, "key": key, "name": None, "data": None, "before": []}
        try:
            earlier = config_of(Run(folder))
        except UserError:
            found.append(entry)
            continue
        data = [[used.name, used.role] for used in trained_sets(plain(earlier.get("dataset")))]
        before = _before(earlier, deepest - 1) if deepest else []
        found.append(entry | {"name": OmegaConf.select(earlier, "name"), "data": data, "before": before})
    return found


def sets_of(config: DictConfig, lineage: Mapping[str, Any]) -> list[Used]:
    """All data sets that weights have seen, those of the runs before included, each once with each role."""
    own = trained_sets(plain(config.get("dataset")))
    return list(dict.fromkeys([*own, *_earlier(lineage["runs"])]))


def _earlier(runs: list[dict[str, Any]]) -> list[Used]:
    found = []
    for run in runs:
        found += [Used(name, role) for name, role in run["data"] or []]
        found += _earlier(run["before"])
    return found


def start_of(run: Run, config: DictConfig, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """What the first training began with: ``kind`` (``none``, ``imagenet``, ``run``, ``file``), facts and licence."""
    kept = kept_start_weights(run)
    if kept:
        return {"kind": "imagenet", "network": kept["name"]} | {key: kept[key] for key in kept if key != "name"}
    if any(entry["name"] for entry in lineage["runs"]):
        return {"kind": "run"}
    if lineage["runs"]:
        return {"kind": "file", "file": lineage["runs"][0]["from"], "licence": None}
    weights = str(OmegaConf.select(config, "backbone.weights", default="none"))
    name = OmegaConf.select(config, "backbone.name", default=None)
    return {"kind": weights, "network": name, "licence": None} if weights == "imagenet" else {"kind": "none"}
