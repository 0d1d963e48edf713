"""What other projects call the tensors of a network, and into what pieces they cut them, as a table says it."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor

from reid_lit.backbones.installed import counted_layers, installed_weights
from reid_lit.errors import InputError

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


def assembled(file: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file, with those in one piece that its project cuts in several or orders otherwise.

    Args:
        file: Tensors by the file's own names.

    Returns:
        Tensors by the file's own names; what was put together by the table's name, behind the prefix of its pieces.
    """
    tensors = dict(file)
    for entry in _entries().values():
        for key in [key for key in tensors if "unfolded" in entry and re.search(entry["unfolded"], key)]:
            if tensors[key].shape[-1] % 4 == 0:
                tensors[key] = _by_place(tensors[key])
        for along, name in enumerate(("rows", "tokens")):
            for whole, pieces in entry.get(name, {}).items():
                tensors = _joined(tensors, whole, pieces, along=along)
    return tensors


def check_needs(tensors: Mapping[str, Tensor], target: Mapping[str, Tensor], *, name: str) -> None:
    """Raise InputError where a file has layers that a network lacks and that its other layers were trained with.

    Args:
        tensors: Of the file, by the network's names.
        target: Of the network.
        name: The network's name, for the message.
    """
    for entry in _entries().values():
        for pattern, cure in entry.get("needs", {}).items():
            found = next((key for key in tensors if re.match(pattern, key) and key not in target), None)
            if found:
                raise InputError(
                    f"it was trained with {found} {list(tensors[found].shape)}, which {name} lacks; give {cure}"
                )


def _by_place(tensor: Float[Tensor, "*rows four_channels"]) -> Float[Tensor, "*rows four_channels"]:
    """Patches that are merged, as timm orders them: place by place, down before right; torch.nn.Unfold: by channel."""
    return tensor.unflatten(-1, (-1, 2, 2)).movedim(-3, -1).transpose(-3, -2).flatten(-3)


def _joined(tensors: Mapping[str, Tensor], whole: str, pieces: Sequence[str], *, along: int) -> dict[str, Tensor]:
    """The tensors with these pieces in one, wherever all of them stand behind one prefix; * is a number."""
    number = r"(\d+)"
    first = re.compile(rf"(|.*\.){re.escape(pieces[0]).replace(re.escape('*'), number)}$")
    joined = dict(tensors)
    for key in tensors:
        if found := first.match(key):
            prefix, *numbers = found.groups()
            names = [prefix + piece.replace("*", "".join(numbers)) for piece in pieces]
            if all(name in tensors for name in names):
                value = torch.cat([joined.pop(name) for name in names], along)
                joined[prefix + whole.replace("*", "".join(numbers))] = value
    return joined


@functools.cache
def _entries() -> dict[str, dict[str, Any]]:
    return cast(dict[str, dict[str, Any]], OmegaConf.to_container(OmegaConf.load(_TABLE)))


@functools.cache
def _table() -> list[Callable[[str], str]]:
    return [way for entry in _entries().values() for way in _ways(entry)]


def _ways(entry: Mapping[str, Any]) -> Iterator[Callable[[str], str]]:
    if "patterns" in entry:
        yield by_patterns(entry["patterns"])
    if "layers" in entry:
        yield _by_layers(counted_layers(entry["layers"], stages=entry["stages"], first_block=entry["first_block"]))


def _by_layers(layers: Mapping[str, str]) -> Callable[[str], str]:
    def renamed(name: str) -> str:
        layer, _, tensor = name.rpartition(".")
        return f"{layers.get(layer, layer)}.{tensor}"

    return renamed
