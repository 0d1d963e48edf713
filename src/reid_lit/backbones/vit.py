"""Vision transformers of timm that give tokens: the class token, the grid of patches, the tap before the last block."""

import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.positions import resized_positions
from reid_lit.backbones.stems import STEMS, set_stem, stride_of
from reid_lit.backbones.stride import set_last_stride
from reid_lit.backbones.transformers import built, fitted
from reid_lit.errors import InputError
from reid_lit.records import Tokens

_log = logging.getLogger(__name__)


class VisionTokens(nn.Module):
    """timm's ``VisionTransformer`` as tokens, of images of any size.

    Images of a size that patches do not divide are resized (bilinear) to the nearest that they do; where patches
    overlap, the pixels at the right and at the bottom that fill no patch are not seen. The table of positions is
    resized where the grid of an image is not its own.

    Args:
        model: The transformer; ``patch_embed.grid_size`` is the grid of its table.

    Source: Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021; overlapping patches: He et al.,
        *TransReID*, ICCV 2021, section 3.1.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        added: Float[Tensor, "batch channels"] | None = None,
        class_added: Float[Tensor, "batch channels"] | None = None,
    ) -> Tokens:
        """(b 3 h w) → tokens.

        Args:
            image: Normalised.
            added: Added to every token beside its position, such as what a camera has learnt; None: nothing.
            class_added: Likewise, to the class token alone.
        """
        x, grid = self._embedded(image)
        if added is not None:
            x = x + added[:, None]
        if class_added is not None:
            x = torch.cat([x[:, :1] + class_added[:, None], x[:, 1:]], 1)
        model = self.model
        x = model.norm_pre(model.patch_drop(model.pos_drop(x)))
        *blocks, last = model.blocks
        for block in blocks:
            x = block(x)
        final = model.norm(last(x))
        return Tokens(final[:, 0], final[:, model.num_prefix_tokens :], grid, x)

    def _embedded(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch tokens channels"], tuple[int, int]]:
        """The tokens with their positions, prefix first, and the grid of the patches."""
        embed = self.model.patch_embed
        size = fitted(image.shape[2:], embed.patch_size, stride_of(embed))
        if tuple(image.shape[2:]) != size:
            image = F.interpolate(image, size, mode="bilinear", align_corners=False)
        maps = embed.proj(embed.conv(image) if hasattr(embed, "conv") else image)
        grid = (maps.shape[2], maps.shape[3])
        patches = embed.norm(maps.flatten(2).transpose(1, 2))
        known = (getattr(self.model, name, None) for name in ("cls_token", "dist_token", "reg_token"))
        prefix = [token.expand(image.shape[0], -1, -1) for token in known if token is not None]
        return self._placed(prefix, patches, grid), grid

    def _placed(
        self, prefix: Sequence[Tensor], patches: Float[Tensor, "batch patches channels"], grid: tuple[int, int]
    ) -> Float[Tensor, "batch tokens channels"]:
        model = self.model
        if model.pos_embed is None:
            return torch.cat([*prefix, patches], 1)
        own = 0 if model.no_embed_class else model.num_prefix_tokens
        table = resized_positions(model.pos_embed, model.patch_embed.grid_size, grid, prefix=own)
        if model.no_embed_class:
            return torch.cat([*prefix, patches + table], 1)
        return torch.cat([*prefix, patches], 1) + table


class PatchMap(VisionTokens):
    """The grid of a transformer's patches as a map, without its class token."""

    def forward(  # type: ignore[override]  # a map in place of tokens
        self,
        image: Float[Tensor, "batch 3 height width"],
        added: Float[Tensor, "batch channels"] | None = None,
        class_added: Float[Tensor, "batch channels"] | None = None,
    ) -> Float[Tensor, "batch channels rows columns"]:
        """(b 3 h w) → (b c rows columns)."""
        return super().forward(image, added, class_added).maps


def vit(
    *,
    name: str,
    weights: str,
    size: Sequence[int],
    stride: int | None = None,
    stem: str | None = None,
    drop_path: float,
    class_token: bool = True,
    last_stride: int = 2,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Backbone:
    """A vision transformer of timm that gives tokens.

    Args:
        name: timm's name with the tag of its weights, which says its mean and standard deviation too.
        weights: ``imagenet`` (timm's file in a local cache, which is not fetched), ``none``, or a file or run folder;
            a table of positions of another grid is resized (bilinear, prefix tokens kept).
        size: Height and width of the images, for whose grid the table of positions is built; see :func:`fitted`.
        stride: Pixels between patches; None: as wide as a patch; fewer: patches overlap.
        stem: None; ``ics``: convolutions before the patches, see :func:`~reid_lit.backbones.stems.set_stem`.
        drop_path: Stochastic depth of the last block, rising linearly from 0, in [0, 1).
        class_token: Whether tokens are given, whose pooled feature is the class token; False: the map of the patches.
        last_stride: 2; a transformer has no stage that halves its grid.
        mean: None, or another mean than the weights' own.
        std: None, or another standard deviation than the weights' own.
        options: Further arguments of timm's constructor.

    Raises:
        ValueError: timm has no such transformer, or a number is out of range.
        FileNotFoundError: the weights cannot be had.

    Source: Dosovitskiy et al., ICLR 2021; Wightman, *PyTorch Image Models*, 2019.
    """

    def finished(model: nn.Module) -> None:
        _check_family(model, name=name)
        set_last_stride(model, last_stride, name=name)
        if stem is not None:
            _check_stem(model, stem, stride)
            set_stem(model)
        _lay_out(model, size, stride)

    model, mean, std = built(
        name, weights=weights, drop_path=drop_path, mean=mean, std=std, options=options or {}, finished=finished
    )
    body = VisionTokens(model) if class_token else PatchMap(model)
    return Backbone(body, dim=model.num_features, mean=mean, std=std)


def _check_family(model: nn.Module, *, name: str) -> None:
    """Raise InputError unless tokens can be told apart in a network."""
    plain = isinstance(model, VisionTransformer) and type(model.patch_embed) is PatchEmbed
    if not plain or not model.has_class_token:
        raise InputError(
            f"name={name!r}: {type(model).__name__} is no plain vision transformer with a class token; give"
            " backbone=timm, whose feature is the mean of its map"
        )


def _check_stem(model: Any, stem: str, stride: int | None) -> None:
    """Raise InputError for an unknown stem, and for patches that it cannot have."""
    if stem not in STEMS:
        raise InputError(f"stem={stem}: there is none of that name; give {', '.join(STEMS)} or null")
    if stride is not None:
        raise InputError(f"stride={stride}: patches behind stem={stem} do not overlap; give stride=null, or stem=null")
    if model.patch_embed.patch_size[0] % 2:
        raise InputError(f"stem={stem}: halves a patch, and {model.patch_embed.patch_size[0]} is odd; give stem=null")


def _lay_out(model: Any, size: Sequence[int], stride: int | None) -> None:
    """Give a transformer the stride of its patches, and a table of positions for images of a size."""
    embed = model.patch_embed
    if stride is not None:
        if not 1 <= stride <= min(embed.patch_size):
            raise InputError(
                f"stride={stride}: give pixels between patches of {embed.patch_size[0]}, from 1 to so many, or null"
            )
        embed.proj.stride = (stride, stride)
    (step, _), patch = stride_of(embed), embed.patch_size
    taken = fitted(size, patch, stride_of(embed))
    if taken != tuple(size):
        _say_fitted(tuple(size), taken, patch[0])
    grid = (taken[0] - patch[0]) // step + 1, (taken[1] - patch[1]) // step + 1
    if model.pos_embed is not None:
        own = 0 if model.no_embed_class else model.num_prefix_tokens
        table = resized_positions(model.pos_embed.detach(), embed.grid_size, grid, prefix=own)
        model.pos_embed = nn.Parameter(table.clone())
    embed.img_size, embed.grid_size, embed.num_patches = taken, grid, grid[0] * grid[1]


@functools.cache  # a run builds its network several times
def _say_fitted(size: tuple[int, int], taken: tuple[int, int], patch: int) -> None:
    _log.info(
        "images of %d × %d are resized to %d × %d, the nearest size that patches of %d pixels divide;"
        " transform.size=[%d,%d] loads them so",
        *size, *taken, patch, *taken,
    )  # fmt: skip
