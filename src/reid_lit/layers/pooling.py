"""From a map to a feature."""

from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Gt
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.records import LastMaps, Tokens


class GlobalAveragePool(nn.Module):
    """The mean of the map over its positions.

    Independent of the map's size, so the same head serves every input size. Of tokens :func:`pooled` takes the class
    token in its place.
    """

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """(b c h w) → (b c)."""
        return maps.mean(dim=(2, 3))


class GeneralizedMeanPool(nn.Module):
    """The generalised mean of the map over its positions, (mean of x^p)^(1/p): p = 1 the mean, p → ∞ the maximum.

    Args:
        p: The exponent, at the start where it is learned.
        learned: Whether it is learned.
        floor: Values below it count as it.

    Source: Radenović et al., "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2019, equation 3.
    """

    def __init__(self, *, p: Annotated[float, Gt(0)], learned: bool, floor: Annotated[float, Gt(0)]) -> None:
        super().__init__()
        self.p: Tensor
        if learned:
            self.p = nn.Parameter(torch.full((1,), p))
        else:
            self.register_buffer("p", torch.full((1,), p), persistent=False)
        self.floor = floor

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """(b c h w) → (b c), in float32 at least."""
        maps = maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps
        return maps.clamp(min=self.floor).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)


def is_average(pool: nn.Module) -> bool:
    """Whether a pool gives the mean of a map that has no negative value, as behind a ReLU."""
    return isinstance(pool, GlobalAveragePool) or (isinstance(pool, GeneralizedMeanPool) and bool((pool.p == 1).all()))


def pooled(
    pool: Callable[..., Tensor], features: Float[Tensor, "batch channels height width"] | Tokens | LastMaps
) -> Float[Tensor, "batch ..."]:
    """What a pool makes of a backbone's maps, or of the grid of patches of its tokens; the class token for their mean.

    Args:
        pool: Maps (b c h w) to a feature, or to parts; one with ``views`` takes what the backbone gives as it is.
        features: What the backbone gives.
    """
    if isinstance(features, Tensor) or hasattr(pool, "views"):
        return pool(features)
    if isinstance(features, Tokens) and isinstance(pool, GlobalAveragePool):
        return features.class_token
    return pool(features.maps)
