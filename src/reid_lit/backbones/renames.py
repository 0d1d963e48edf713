"""Names that other projects give to the tensors of a network, as a table says them."""

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from reid_lit.backbones.installed import counted_layers, installed_weights

_TABLE = Path(__file__).with_name("renames.yaml")


def by_patterns(patterns: Mapping[str, str]) -> Callable[[str], str]:
    r"""A name as the first pattern that fits its beginning has it; the name itself where none fits.

    >>> by_patterns({r"NL_(\d)\.(\d+)\.": r"layer\1.non_local_\2."})("NL_2.0.g.weight")
    'layer2.non_local_0.g.weight'
    """
    compiled = [(re.compile(pattern), ours) for pattern, ours in patterns.items()]

    @functools.cache
    def renamed(name: str) -> str:
        for pattern, ours in compiled:
            if pattern.match(name):
                return pattern.sub(ours, name, count=1)
        return name

    return renamed


def renames(name: str) -> list[Callable[[str], str]]:
    """The ways to read names of other projects for a network.

    Args:
        name: timm's or torchreid's name of the network, of which a package may hold weights under names of its own.
    """
    installed = installed_weights(name)
    return [*([installed.rename] if installed else []), *_table()]


@functools.cache
def _table() -> list[Callable[[str], str]]:
    entries = cast(dict[str, dict[str, Any]], OmegaConf.to_container(OmegaConf.load(_TABLE)))
    return [
        by_patterns(entry["patterns"])
        if "patterns" in entry
        else _by_layers(counted_layers(entry["layers"], stages=entry["stages"], first_block=entry["first_block"]))
        for entry in entries.values()
    ]


def _by_layers(layers: Mapping[str, str]) -> Callable[[str], str]:
    def renamed(name: str) -> str:
        layer, _, tensor = name.rpartition(".")
        return f"{layers.get(layer, layer)}.{tensor}"

    return renamed
