"""From a map to a feature."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.errors import InputError


class GlobalAveragePool(nn.Module):
    """The mean of the map over its positions.

    Independent of the map's size, so the same head serves every input size.
    """

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """(b c h w) → (b c)."""
        return maps.mean(dim=(2, 3))


class GeneralizedMeanPool(nn.Module):
    """GeM: the p-th root of the mean over positions of the p-th power, with one learnt p; p = 1 is the mean.

    Args:
        p: Where it starts, above 0.
        least: What smaller values of the map are taken for, above 0.

    Source: Radenović et al., "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2019, equation 3.

    Raises:
        ValueError: a number is not above 0.
    """

    def __init__(self, *, p: float, least: float) -> None:
        super().__init__()
        for name, value in (("p", p), ("least", least)):
            if not value > 0:
                raise InputError(f"{name}={value}: give a number above 0")
        self.p = nn.Parameter(torch.tensor([float(p)]))
        self.least = least

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """(b c h w) → (b c), in float32."""
        return maps.float().clamp_min(self.least).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)
