"""Tables of positions of vision transformers, for another grid of patches."""

import logging
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, cat
from torch.nn import functional as F

_log = logging.getLogger(__name__)


def resized_positions(
    table: Float[Tensor, "1 tokens channels"], old: tuple[int, int], new: tuple[int, int], *, prefix: int
) -> Float[Tensor, "1 others channels"]:
    """A table for another grid, by bilinear interpolation; the rows of prefix tokens are kept.

    Args:
        table: Prefix tokens, then the patches row by row.
        old: Rows and columns of its grid.
        new: Those that are wanted; the same: the table itself.
        prefix: How many prefix tokens it has, the class token among them.

    Source: the public code of He et al., *TransReID*, ICCV 2021, which resizes the table of 14 × 14 so.
    """
    if tuple(old) == tuple(new):
        return table
    maps = table[:, prefix:].transpose(1, 2).unflatten(2, tuple(old))
    resized = F.interpolate(maps.float(), new, mode="bilinear", align_corners=False).to(table.dtype)
    return cat([table[:, :prefix], resized.flatten(2).transpose(1, 2)], 1)


def grid_of(patches: int, like: tuple[int, int]) -> tuple[int, int] | None:
    """The grid that so many patches most likely are: a square, as after training on ImageNet, else that of persons.

    Args:
        patches: How many.
        like: The grid of a network, whose own form is preferred to other oblong ones.

    >>> grid_of(196, (16, 8)), grid_of(210, (16, 8)), grid_of(192, (16, 8)), grid_of(7, (16, 8))
    ((14, 14), (21, 10), (24, 8), None)
    """
    side = round(patches**0.5)
    if side * side == patches:
        return side, side
    pairs = [(patches // columns, columns) for columns in range(2, side + 1) if patches % columns == 0]
    wanted = max(like) / min(like)
    best = min(pairs, key=lambda pair: abs(pair[0] / pair[1] - wanted), default=None)
    return best if best is None or like[0] >= like[1] else (best[1], best[0])


def grid_read(
    patches: int, like: tuple[int, int], saved: tuple[int, int] | None, *, weights: Path
) -> tuple[int, int] | None:
    """The grid that a file's table of positions is of: the run's own, else what it most likely is, which is said.

    Args:
        patches: How many positions the table has.
        like: The grid of the network.
        saved: What the run's folder says; None: it is none.
        weights: The file, for the message.
    """
    if saved is not None and saved[0] * saved[1] == patches:
        return saved
    if patches == like[0] * like[1]:
        return like
    grid = grid_of(patches, like)
    if grid is not None:
        _log.info(
            "%s: its table of %d positions is taken for a grid of %d × %d, and resized to %d × %d; a run's folder would"
            " say which grid it is", weights, patches, *grid, *like,
        )  # fmt: skip
    return grid


def with_fitted_positions(
    tensors: Mapping[str, Tensor], *, model: Any, saved: tuple[int, int] | None, weights: Path
) -> dict[str, Tensor]:
    """A transformer's tensors with their table of positions for its grid, where theirs is for another one.

    The position of a distilled token that the transformer does not have is left out, and that of the class token is
    added to it where the transformer keeps positions for patches alone. CLIP's class token and table get a dimension.

    Args:
        tensors: By the transformer's own names.
        model: timm's ``VisionTransformer``, or another network without such a table.
        saved: As in :func:`grid_read`.
        weights: Likewise.
    """
    own, named = getattr(model, "pos_embed", None), dict(tensors)
    if named.get("pos_embed") is None or own is None:
        return named
    for key in ("cls_token", "pos_embed"):
        if key in named and named[key].ndim < 3:
            named[key] = named[key].view(1, -1, named[key].shape[-1])
    table = named["pos_embed"]
    if table.ndim != 3:
        return named
    prefix = 0 if model.no_embed_class else model.num_prefix_tokens
    if table.shape[1] != own.shape[1] and "dist_token" in named and getattr(model, "dist_token", None) is None:
        table = cat([table[:, :1], table[:, 2:]], 1)
    if (
        table.shape[1] != own.shape[1]
        and not prefix
        and "cls_token" in named
        and isqrt(table.shape[1] - 1) ** 2 == table.shape[1] - 1
    ):
        named["cls_token"], table = named["cls_token"] + table[:, :1], table[:, 1:]
    grid = grid_read(table.shape[1] - prefix, model.patch_embed.grid_size, saved, weights=weights)
    if grid is None:
        return named
    return {**named, "pos_embed": resized_positions(table, grid, model.patch_embed.grid_size, prefix=prefix)}
