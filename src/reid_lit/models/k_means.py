"""k-means on a GPU: the iterations of scikit-learn's, on the device where the features are."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_ITERATIONS = 300
_TOLERANCE = 1e-4
_BLOCK = 4096
"""Features that are compared with all centroids at once."""


def lloyd(
    features: Float[Tensor, "images dim"], centroids: Float[Tensor, "clusters dim"]
) -> tuple[Int[Tensor, " images"], Float[Tensor, "clusters dim"], float]:
    """Cluster features, from given centroids on.

    As in scikit-learn's ``KMeans``: 300 iterations at most, until no label changes or the centroids move by less than
    1e-4 of the features' mean variance; an empty cluster takes the feature that is farthest from its centroid. The same
    features and centroids give the same result: sums are taken in the order of the images.

    Args:
        features: As they are, not normalised.
        centroids: Of the start, on the same device.

    Returns:
        The cluster of each feature; the centroids; the inertia, the sum of squared distances to them.

    Source: Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 1982.
    """
    mean = features.mean(dim=0)
    features, centroids = features - mean, centroids - mean  # squared distances of small numbers cancel less
    enough = _TOLERANCE * float(features.var(dim=0, correction=0).mean())
    labels, squares = _nearest(features, centroids)
    for _ in range(_ITERATIONS):
        moved = _means(features, labels, squares, clusters=len(centroids))
        shift = float((moved - centroids).square().sum())
        centroids, before = moved, labels
        labels, squares = _nearest(features, centroids)
        if torch.equal(labels, before) or shift <= enough:
            break
    return labels, centroids + mean, float(squares.sum(dtype=torch.float64))


def _nearest(
    features: Float[Tensor, "images dim"], centroids: Float[Tensor, "clusters dim"]
) -> tuple[Int[Tensor, " images"], Float[Tensor, " images"]]:
    """The nearest centroid of each feature, and its squared distance."""
    norms, found = centroids.square().sum(dim=1), []
    for block in features.split(_BLOCK):
        least, label = torch.addmm(norms, block, centroids.T, alpha=-2).min(dim=1)
        found.append((label, (least + block.square().sum(dim=1)).clamp_min(0)))
    labels, squares = zip(*found, strict=True)
    return torch.cat(labels), torch.cat(squares)


def _means(
    features: Float[Tensor, "images dim"],
    labels: Int[Tensor, " images"],
    squares: Float[Tensor, " images"],
    *,
    clusters: int,
) -> Float[Tensor, "clusters dim"]:
    """The mean of each cluster."""
    counts = labels.bincount(minlength=clusters)
    empty = (counts == 0).nonzero().flatten()
    if len(empty):
        labels = labels.clone()
        labels[squares.topk(len(empty)).indices] = empty
        counts = labels.bincount(minlength=clusters)
    order = labels.argsort(stable=True)
    sums = torch.segment_reduce(features[order], "sum", lengths=counts, axis=0)
    return sums / counts.clamp_min(1).unsqueeze(1)
