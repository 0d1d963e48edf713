"""Triplet losses."""

from jaxtyping import Float, Int
from pytorch_metric_learning import losses, miners, reducers
from torch import Tensor, nn


class MinedTripletLoss(nn.Module):
    """Triplets among the pairs that a multi-similarity miner keeps, on L2-normalised embeddings.

    [d(a, p) − d(a, n) + margin]₊ with Euclidean d, averaged over the triplets that are not 0; 0 when the miner keeps
    none.

    Args:
        margin: The margin.
        epsilon: The miner's slack ε in cosine.

    Source: layumi/Person_reID_baseline_pytorch ``--triplet``; the miner: Wang et al., *Multi-Similarity Loss*, CVPR
    2019, eq. 7–8; both from pytorch-metric-learning.
    """

    def __init__(self, *, margin: float, epsilon: float) -> None:
        super().__init__()
        self.miner = miners.MultiSimilarityMiner(epsilon=epsilon)
        self.loss = losses.TripletMarginLoss(margin=margin, reducer=reducers.AvgNonZeroReducer())

    def forward(self, embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0."""
        return self.loss(embedding, person, self.miner(embedding, person))
