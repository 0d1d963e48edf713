"""Learning rates that fall from a transformer's last layer to its first, and larger ones for biases."""

import re
from collections.abc import Callable, Iterable

from torch import nn

_EMBEDDING = re.compile(r"(?:^|\.)(?:cls_token|dist_token|reg_token|pos_embed|patch_embed\.|norm_pre\.)")


def layer_of(name: str, *, depth: int) -> int:
    """The layer of a transformer's parameter: 0 the embedding, 1 to ``depth`` the blocks, then what follows them.

    >>> [layer_of(name, depth=12) for name in ("cls_token", "blocks.0.norm1.bias", "blocks.11.norm1.bias", "norm.bias")]
    [0, 1, 12, 13]
    """
    block = re.search(r"(?:^|\.)blocks\.(\d+)\.", name)
    if block:
        return int(block[1]) + 1
    return 0 if _EMBEDDING.search(name) else depth + 1


def learning(
    model: nn.Module, backbones: Iterable[nn.Module], *, layer: Callable[[str], int]
) -> list[tuple[str, nn.Parameter, int | None]]:
    """What learns of a model: name, parameter, and layer, which ``layer`` gives for the name of one in a backbone."""
    known = {id(value) for part in backbones for value in part.parameters()}
    return [
        (name, value, layer(name) if id(value) in known else None)
        for name, value in model.named_parameters()
        if value.requires_grad
    ]


def rate_groups(
    parameters: Iterable[tuple[str, nn.Parameter, int | None]], *, depth: int, decay: float, bias: float
) -> dict[str, tuple[float, list[nn.Parameter]]]:
    """Parameters in groups of one rate each, by names; the rate is relative to the optimizer's.

    It is decay^(depth + 1 − layer), times ``bias`` where the name holds "bias".

    Args:
        parameters: Name, parameter, and layer; None: of no transformer, whose rate is the optimizer's.
        depth: Blocks of the transformer.
        decay: The rate of a layer relative to the next one's.
        bias: The rate of biases relative to that of weights.

    Source: Bao et al., *BEiT*, ICLR 2022, section 3.1 (layer-wise decay); the public code of He et al., *TransReID*,
        ICCV 2021 (biases).
    """
    groups: dict[str, tuple[float, list[nn.Parameter]]] = {}
    for name, parameter, layer in parameters:
        place = "head" if layer is None else "backbone" if decay == 1 else f"backbone layer {layer}"
        rate = 1.0 if layer is None else decay ** (depth + 1 - layer)
        if "bias" in name and bias != 1:
            place, rate = f"{place} biases", rate * bias
        groups.setdefault(place, (rate, []))[1].append(parameter)
    return groups
