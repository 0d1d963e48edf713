"""CLIP's attention pool of a residual network, and the means of its last two maps beside it."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.backbones.clip_projection import ClipViews, clip_file
from reid_lit.backbones.positions import grid_read, resized_positions
from reid_lit.backbones.saved_grid import saved, saved_config, saved_size
from reid_lit.backbones.weights import load
from reid_lit.errors import InputError
from reid_lit.records import LastMaps

_PIXELS = 16
"""Of an image to a position of the map before the last stage."""


class AttentionPool(ClipViews):
    """A pool of the last two maps: the mean of the last one, and what attention from that mean reads, in one feature.

    Its views: the mean of the map before the last stage, that of the last map, and the attention pool.

    Args:
        features: Channels of the last map; the one before has half as many.
        dim: Channels of the attention pool, which CLIP compares with those of a text.
        heads: Of attention.
        size: Height and width of the images, for whose map the table of positions is built; for that of another size it
            is resized (bilinear), the mean's position is kept.
        last_stride: That of the backbone.
        name: timm's name of the image tower.
        weights: As in :class:`~reid_lit.backbones.clip_projection.ProjectedToken`.

    Attributes:
        grid: Rows and columns of its table of positions.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section
        2.4; its table for the map of persons: the public code of Li et al., *CLIP-ReID*, AAAI 2023.

    Raises:
        ValueError: the file lacks the attention pool in these sizes, or a number is out of range.
        FileNotFoundError: there is no such file.
    """

    reads = (
        LastMaps,
        "the last two maps of CLIP's ResNets",
        "backbone=clip_reid_resnet50; backbone=clip_reid_vit_b16 has models of its own (model=clip_prompts, clip_reid,"
        " pcl_clip)",
    )

    def __init__(
        self,
        *,
        features: Annotated[int, Ge(1)],
        dim: Annotated[int, Ge(1)],
        heads: Annotated[int, Ge(1)],
        size: Sequence[int],
        last_stride: int,
        name: str,
        weights: str,
    ) -> None:
        super().__init__()
        if features % heads:
            raise InputError(f"heads={heads}: features={features} is no multiple of it; CLIP's have 64 channels a head")
        self.grid = _grid(size, last_stride)
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(features, features) for _ in range(3))
        self.proj = nn.Linear(features, dim)
        self.pos_embed = nn.Parameter(torch.empty(self.grid[0] * self.grid[1] + 1, features))
        self.widths = (features // 2, features, dim)
        if weights == "none":
            for weight in (self.q.weight, self.k.weight, self.v.weight, self.proj.weight, self.pos_embed):
                nn.init.normal_(weight, std=features**-0.5)  # as CLIP starts
        else:
            whole = nn.ModuleDict({"head": self})  # so timm names it
            path = clip_file(name, weights)
            config = saved_config(path)
            images, stride = saved_size(config), saved(config, "backbone", "last_stride")
            grid = _grid(images, stride) if images and stride in (1, 2) else None
            fit = functools.partial(self._fitted, saved_grid=grid, weights=path)
            load(whole, path, name=f"the attention pool of {name}", at_least=1.0, fit=fit, part=True)

    @override
    def told_apart(self, features: LastMaps) -> tuple[Tensor, Tensor, Tensor]:
        token = features.maps.mean((2, 3))
        return features.before.mean((2, 3)), token, self._attended(features.maps, token)

    def _attended(
        self, maps: Float[Tensor, "batch channels rows columns"], token: Float[Tensor, "batch channels"]
    ) -> Float[Tensor, "batch dim"]:
        """The output of attention at the mean, which is all that CLIP reads of it."""
        table = resized_positions(self.pos_embed[None], self.grid, (maps.shape[2], maps.shape[3]), prefix=1)
        x = torch.cat([token[:, None], maps.flatten(2).transpose(1, 2)], 1) + table
        query, key, value = (
            layer(seen).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, seen in ((self.q, x[:, :1]), (self.k, x), (self.v, x))
        )
        return self.proj(F.scaled_dot_product_attention(query, key, value).flatten(1))

    def _fitted(
        self, tensors: Mapping[str, Tensor], *, saved_grid: tuple[int, int] | None, weights: Path
    ) -> Mapping[str, Tensor]:
        """A file's tensors with its table of positions for this grid."""
        table = tensors.get("head.pos_embed")
        grid = None if table is None else grid_read(len(table) - 1, self.grid, saved_grid, weights=weights)
        if table is None or grid is None:
            return tensors
        return {**tensors, "head.pos_embed": resized_positions(table[None], grid, self.grid, prefix=1)[0]}


def _grid(size: Sequence[int], last_stride: int) -> tuple[int, int]:
    """Rows and columns of the last map of images of a size."""
    pixels = _PIXELS * last_stride
    return max(size[0] // pixels, 1), max(size[1] // pixels, 1)
