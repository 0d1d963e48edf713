"""The local branch of AlignedReID++: one vector for each horizontal stripe of the map."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from reid_lit.layers.neck import Size


class LocalBranch(nn.Module):
    """Batch norm, ReLU, the maximum of each row and a 1 × 1 convolution; every stripe at unit length.

    Args:
        features: Channels of the map.
        dim: Channels of a stripe.
        stripes: Rows are pooled to so many stripes by their maximum; None: each row of the map is one.

    Attributes:
        dim: Channels of a stripe.

    Source: Luo et al., "AlignedReID++", PR 2019, Fig. 3; the batch norm and the ReLU by its public code, whose maps
        have 8 rows. Fewer stripes than rows by their maximum: our choice.
    """

    def __init__(self, *, features: int, dim: Size, stripes: Size | None) -> None:
        super().__init__()
        self.dim = dim
        self.stripes = stripes
        self.norm = nn.BatchNorm2d(features)
        self.convolution = nn.Conv1d(features, dim, 1)

    def forward(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch stripes dim"]:
        """(b c h w) → (b stripes dim), from the top, each of length 1."""
        pooled = self._maxima(F.relu(self.norm(maps)))
        return F.normalize(self.convolution(pooled), dim=1).transpose(1, 2)

    def pooled(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch stripes channels"]:
        """The maxima of the map itself, each of length 1: what the public code compares."""
        return F.normalize(self._maxima(maps), dim=1).transpose(1, 2)

    def _maxima(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch channels stripes"]:
        rows = maps.amax(3)
        return rows if self.stripes is None else F.adaptive_max_pool1d(rows, self.stripes)
