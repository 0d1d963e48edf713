"""What a run's folder says of the grid that its table of positions is of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]


def saved_config(weights: Path) -> Mapping[str, Any]:
    """The config of the run that weights are of; empty for any other file, and for a config that cannot be read.

    Args:
        weights: A run folder, one of its splits, or a checkpoint in it.
    """
    folder = weights.parent.parent if weights.parent.name == "checkpoints" else weights
    for place in (folder, folder.parent) if folder.name.startswith("split_") else (folder,):
        file = place / "config.yaml"
        if file.is_file():
            try:
                config = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
            except (YAMLError, OSError, ValueError):
                return {}
            return {str(key): value for key, value in config.items()} if isinstance(config, dict) else {}
    return {}


def saved(config: Mapping[str, Any], *keys: str) -> Any:
    """A value of :func:`saved_config`, such as of ``transform``, ``size``; None where there is none."""
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def saved_size(config: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width of the images that a run was trained on; None where :func:`saved_config` does not say it."""
    size = saved(config, "transform", "size")
    is_size = isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)
    return (size[0], size[1]) if is_size else None
