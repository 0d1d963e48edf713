"""What ``conf/keys.yaml`` says of the keys of a config."""

import functools
from typing import cast

from omegaconf import DictConfig, OmegaConf

from reid_lit.paths import packaged


@functools.cache
def key_lists() -> DictConfig:
    """All of its lists, read once."""
    return cast(DictConfig, OmegaConf.load(packaged("conf") / "keys.yaml"))
