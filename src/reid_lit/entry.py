"""What every command shares: earlier runs taken up again, near names for what is misspelt."""

import functools
import logging
import sys
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import hydra
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

import reid_lit.resolvers  # noqa: F401 - the configs ask it
from reid_lit.data.problems import DataError, MissingDataError
from reid_lit.paths import packaged
from reid_lit.runs import replayed
from reid_lit.tables.command import for_hydra


def launch(task: Callable[[DictConfig], Any], *, config_name: str, replay: bool = True) -> None:
    """Run ``task`` with what Hydra composes from the command line.

    Args:
        task: What to do with the config.
        config_name: The primary config in ``conf/``.
        replay: Whether ``run=<folder>`` means all that the run was told, not its folder alone.
    """
    _quiet()
    torch.set_float32_matmul_precision("high")  # here, so that a run is trained and tested again by the same arithmetic
    try:
        sys.argv[1:] = replayed(for_hydra(sys.argv[1:])) if replay else sys.argv[1:]
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    plain = functools.wraps(task)(lambda config: _without_traceback(task, config))
    command = hydra.main(version_base="1.3", config_path=str(packaged("conf")), config_name=config_name)(plain)
    try:
        command()
    except SystemExit as stop:
        if stop.code:
            GlobalHydra.instance().clear()
            for line in near_names(sys.argv[1:], config_name=config_name):
                sys.stderr.write(f"{line}\n")
        raise


def _without_traceback(task: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    """What the data is to blame for needs no line of our code to be understood."""
    try:
        return task(config)
    except (DataError, MissingDataError) as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise  # Hydra goes on with the other jobs
        sys.exit(f"{error.problem.kind}: {error}")


def _quiet() -> None:
    """Keep what a user can act on; Lightning's hints are none of it."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # inside Lightning
        "Total length of `list` across ranks is zero",  # no persons held out for validation
        "The number of training batches .* is smaller than the logging interval",
        "Checkpoint directory .* exists and is not empty",  # a resumed run
        "The '.*_dataloader' does not have many workers",  # one for each core is what loader.workers=auto takes
    ):
        warnings.filterwarnings("ignore", message)


def near_names(arguments: list[str], *, config_name: str) -> list[str]:
    """A line for each argument that names no group, option or key, with the names that are near.

    Args:
        arguments: The command line, without the program.
        config_name: The primary config in ``conf/``.
    """
    given = [a for a in arguments if "=" in a and not a.startswith(("-", "hydra"))]
    pairs = [a.lstrip("+~").partition("=")[::2] for a in given]
    added = {a.lstrip("+").partition("=")[0] for a in given if a.startswith("+")}  # a key of the user's own
    groups = {
        p.relative_to(packaged("conf")).as_posix(): p for p in packaged("conf").glob("**/") if p != packaged("conf")
    }
    lines, choices = [], []
    for key, value in pairs:
        if key in groups:
            options = sorted(file.stem for file in groups[key].glob("*.yaml"))
            wrong = [v for v in value.strip("[]").split(",") if v not in (*options, "null")]
            lines += [_line(f"{key}={v}", v, options) for v in wrong]
            choices += [] if wrong or "," in value else [f"+{key}={value}" if key == "experiment" else f"{key}={value}"]
    config = _compose(config_name, choices)
    if config is not None:
        keys = [key for key, _ in pairs if key not in groups and key not in added]
        lines += [line for key in keys if (line := _misspelt(config, key, list(groups)))]
    return lines


def _compose(config_name: str, choices: list[str]) -> DictConfig | None:
    try:
        with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
            return hydra.compose(config_name, overrides=choices)
    except HydraException:
        return None


def _misspelt(config: DictConfig, key: str, groups: list[str]) -> str:
    """The line for a key that the config lacks; empty when it has it."""
    node: Any = OmegaConf.to_container(config, resolve=False)
    for depth, part in enumerate(parts := key.split(".")):
        if not isinstance(node, dict):
            return ""
        if part not in node:
            known = sorted({str(k) for k in node} | set(groups if depth == 0 else []))
            return _line(key, part, known, ".".join(parts[:depth]))
        node = node[part]
    return ""


def _line(given: str, word: str, known: list[str], place: str = "") -> str:
    near = get_close_matches(word, known, n=3, cutoff=0.5)
    where = f" in {place}" if place else ""
    if near:
        return f"{given}: no {word!r}{where}; did you mean {' or '.join(near)}?"
    return f"{given}: no {word!r}{where}; there are {', '.join(known)}"
