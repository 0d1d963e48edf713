"""From a map to a feature."""

from jaxtyping import Float
from torch import Tensor, nn


class GlobalAveragePool(nn.Module):
    """The mean of the map over its positions.

    Independent of the map's size, so the same head serves every input size.
    """

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """(b c h w) → (b c)."""
        return maps.mean(dim=(2, 3))
