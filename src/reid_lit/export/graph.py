"""A trained model as one plain module: from images as a consumer has them to the features that are compared."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.testing.embedder import Embedder

Images = Float[Tensor, "batch 3 height width"] | UInt8[Tensor, "batch 3 height width"]


@dataclass(frozen=True, kw_only=True)
class Input:
    """The images that a graph takes, ``(batch 3 height width)``, and how their values become those of [0, 1].

    A value ``v`` of a channel stands for ``v / divisor + shift``: 0 … 255 is a divisor of 255, [0, 1] one of 1, and
    values that the consumer has normalised by ``(x − mean) / std`` have the divisor ``1 / std`` and the shift ``mean``.

    Attributes:
        size: Height and width in pixels.
        color: The order of the channels: ``rgb`` or ``bgr``.
        divisor: Of each channel, red first whatever ``color`` is.
        shift: Likewise.
        dtype: ``float32``, or ``uint8`` for 0 … 255.

    Raises:
        ValueError: a field is none of these, or ``uint8`` comes with other values than 0 … 255.
    """

    size: tuple[int, int]
    color: str = "rgb"
    divisor: tuple[float, float, float] = (255.0, 255.0, 255.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.color not in ("rgb", "bgr"):
            raise InputError(f"color={self.color!r}: unknown; give rgb or bgr")
        if self.dtype not in ("float32", "uint8"):
            raise InputError(f"dtype={self.dtype!r}: unknown; give float32 or uint8")
        if min(self.size) < 1 or 0 in self.divisor:
            raise InputError(f"size={list(self.size)} divisor={list(self.divisor)}: give numbers other than 0")
        if self.dtype == "uint8" and (set(self.divisor), set(self.shift)) != ({255.0}, {0.0}):
            raise InputError("dtype=uint8 holds 0 … 255; give dtype=float32 for other values")

    def of(self, rgb: UInt8[np.ndarray, "batch 3 height width"]) -> np.ndarray:
        """Images in RGB as the consumer hands them over, of type ``dtype``.

        Those of another size are resized as trackers do it: bilinearly, without antialiasing.
        """
        values = rgb if rgb.shape[2:] == self.size else _resized(rgb, self.size)
        if self.dtype == "uint8":
            values = values.round().astype(np.uint8)
        else:
            divisor, shift = (np.array(each, dtype=np.float64)[:, None, None] for each in (self.divisor, self.shift))
            values = ((values / 255 - shift) * divisor).astype(np.float32)
        return np.ascontiguousarray(values[:, ::-1] if self.color == "bgr" else values)

    def example(self, batch: int) -> Tensor:
        """Images of no content in the shape and type that the graph takes."""
        return torch.zeros(batch, 3, *self.size, dtype=getattr(torch, self.dtype))


def _resized(rgb: UInt8[np.ndarray, "batch 3 height width"], size: tuple[int, int]) -> np.ndarray:
    return F.interpolate(torch.from_numpy(rgb).float(), size=size, mode="bilinear").numpy()


class Graph(nn.Module):
    """From a consumer's images to features: channel order, range, size, normalisation, network, views, unit length.

    The feature is the one of ``embedder(images)``: the output that the run compares, the mean over its views, parts of
    unit length one after the other. Normalisation is the backbone's own. It is a copy: the embedder stays as it is.

    Args:
        embedder: What ``reid_lit.load`` gives.
        images: What comes in; None: RGB in float32, 0 … 255, of the model's size. Of another size they are resized
            inside, as the run resizes.
        unit_length: Whether each feature gets length 1, as ``embedder(images, normalize=True)`` gives it.
    """

    divisor: Tensor
    shift: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, embedder: Embedder, *, images: Input | None = None, unit_length: bool) -> None:
        super().__init__()
        size = embedder.transform.test_size
        self.input = images or Input(size=size)
        self.unit_length = unit_length
        self.resizes = self.input.size != size
        self.model = copy.deepcopy(embedder.model).cpu().float()
        self.model.lay_out(torch.contiguous_format)
        for name in ("divisor", "shift"):
            self.register_buffer(name, torch.tensor(getattr(self.input, name)).view(1, 3, 1, 1), persistent=False)
        if self.resizes:
            for name, old, new in zip(("rows", "columns"), self.input.size, size, strict=True):
                self.register_buffer(name, resizing(old, new, embedder.transform.interpolation), persistent=False)
        self.requires_grad_(False).eval()

    @override
    def forward(self, images: Images) -> Float[Tensor, "batch dim"]:
        """(b 3 h w) → (b dim), float32."""
        values = images.to(self.divisor.dtype)
        if self.input.color == "bgr":
            values = values[:, [2, 1, 0]]
        values = values / self.divisor
        if any(self.input.shift):
            values = values + self.shift
        if self.resizes:
            values = (self.rows @ values @ self.columns.T).clamp(0, 1)
        feature = self.model.embed(values)
        return F.normalize(feature) if self.unit_length else feature


def resizing(old: int, new: int, interpolation: str) -> Float[Tensor, "new old"]:
    """The matrix that resizes a line of ``old`` pixels to ``new`` ones, with antialiasing as the run resizes.

    As a product every runtime computes the same; their own operators of resizing differ.

    Args:
        old: Pixels of the line.
        new: Pixels that it gets.
        interpolation: ``bicubic`` or ``bilinear``.
    """
    lines = torch.eye(old)[None, None]
    return F.interpolate(lines, size=(new, old), mode=interpolation, antialias=True)[0, 0]
