"""How embeddings were made: from which weights, which feature, which images."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How embeddings were made; those of equal provenance, up to the precision and the runtime, can be compared.

    A runtime computes the graph of a model, which was compared with torch before: cosines of 0.9999 and more.

    Attributes:
        model: The weights' SHA-256, as :func:`model_hash` gives it.
        feature: The output of the model: ``embedding`` or ``feature``.
        flip: Whether an embedding is the mean of the image's and its mirror image's.
        size: Height and width of the images, in pixels.
        interpolation: How the images were resized.
        mean: Subtracted from red, green and blue in [0, 1].
        std: Red, green and blue are divided by it.
        precision: Lightning's name of the arithmetic.
        crops: Height and width of the five crops whose mean an embedding is; None: of the whole image.
        local: Where stripes follow the whole image's embedding: the output that they are, the numbers before them and
            the channels of each; None: there are none.
        runtime: What computed the network: ``torch``, ``onnx`` or ``openvino``.
    """

    model: str
    feature: str
    flip: bool
    size: tuple[int, ...]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    precision: str
    crops: tuple[int, ...] | None = None
    local: tuple[Any, ...] | None = None
    runtime: str = "torch"

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Provenance":
        """What a JSON file keeps of it."""
        return cls(**with_tuples(content))

    def differences(self, other: "Provenance") -> list[str]:
        """The differences that forbid a comparison, as ``name: ours and theirs``."""
        names = [field.name for field in fields(self) if field.name not in ("precision", "runtime")]
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in names)
        return [f"{name}: {ours} and {theirs}" for name, ours, theirs in pairs if ours != theirs]


def with_tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a JSON file keeps them, each list a tuple again."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}


def model_hash(state: Mapping[str, Tensor]) -> str:
    """The SHA-256 of weights, over their names in order, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
