"""Labels out of clusters of features, for images of unknown persons."""

import warnings

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.models.k_means import lloyd
from reid_lit.records import JUNK


def check_clustering(*, clusters: int, threshold: float, starts: int) -> None:
    """Raise InputError unless images can be clustered and selected with these settings."""
    if clusters < 2:
        raise InputError(f"clusters={clusters} must be ≥ 2")
    if starts < 1:
        raise InputError(f"starts={starts} must be ≥ 1")
    if not -1 <= threshold < 1:
        raise InputError(f"threshold={threshold} is no cosine that an image can exceed; give one in [-1, 1)")


def cluster(
    features: Float[Tensor, "images dim"], *, clusters: int, starts: int, seed: int
) -> tuple[Int[Tensor, " images"], Float[Tensor, "clusters dim"]]:
    """The cluster of each image, 0 … clusters-1, and the centroids, by k-means.

    Args:
        features: As they are, not normalised. On a GPU the iterations are done there.
        clusters: k. Where fewer features differ, clusters stay empty.
        starts: Random starts; the best is kept.
        seed: Of the starts.
    """
    if features.is_cuda:
        return cluster_on_device(features, clusters=clusters, starts=starts, seed=seed)
    means = KMeans(n_clusters=clusters, n_init=starts, random_state=seed)
    with warnings.catch_warnings(), threadpool_limits(1, "openmp"):  # more threads add in other orders, to other bits
        warnings.simplefilter("ignore", ConvergenceWarning)  # of empty clusters, which check_selection judges
        means.fit(features.cpu().numpy())
    return torch.from_numpy(means.labels_).long(), torch.from_numpy(means.cluster_centers_)


def cluster_on_device(
    features: Float[Tensor, "images dim"], *, clusters: int, starts: int, seed: int
) -> tuple[Int[Tensor, " images"], Float[Tensor, "clusters dim"]]:
    """What :func:`cluster` gives, computed where the features are; the random starts are drawn on the CPU."""
    found, on_cpu = [], features.cpu().numpy()
    draws = np.random.RandomState(seed)  # what scikit-learn's k-means draws from
    for _ in range(starts):
        first, _ = kmeans_plusplus(on_cpu, clusters, random_state=draws)
        found.append(lloyd(features, torch.from_numpy(first).to(features)))
    labels, centroids, _ = min(found, key=lambda result: result[2])
    return labels.cpu(), centroids.cpu()


def select(
    features: Float[Tensor, "images dim"],
    labels: Int[Tensor, " images"],
    centroids: Float[Tensor, "clusters dim"],
    *,
    threshold: float,
) -> Int[Tensor, " images"]:
    """The labels of reliable images, and -1 for the others.

    The centre of a cluster is the image, whatever its label, whose feature is nearest to the centroid. An image is
    reliable if its cosine to the centre of any cluster exceeds the threshold; its label is its own cluster.

    Args:
        features: As they are, not normalised.
        labels: The cluster of each image.
        centroids: Of the clusters.
        threshold: λ, in [-1, 1).

    Source: Fan et al., "Unsupervised Person Re-identification: Clustering and Fine-tuning", TOMM 2018, section 3, with
        the centres and the rule of its public code.
    """
    nearest = pairwise_distances_argmin(centroids.numpy(), features.cpu().numpy())
    unit = F.normalize(features.cpu())
    reliable = (unit @ unit[nearest].T > threshold).any(dim=1)
    return torch.where(reliable, labels, JUNK)


def selection_figures(labels: Int[Tensor, " images"]) -> dict[str, int]:
    """How many images are selected, in how many clusters, and the least, median and most images of these."""
    sizes = labels[labels != JUNK].unique(return_counts=True)[1].sort().values
    least, median, most = (int(sizes[k]) if len(sizes) else 0 for k in (0, len(sizes) // 2, -1))
    return {"selected": int(sizes.sum()), "clusters": len(sizes), "least": least, "median": median, "most": most}


def check_selection(
    labels: Int[Tensor, " images"], *, name: str, clusters: int, threshold: float, batch_size: int
) -> str:
    """A selection in words: how many images are selected, and how large the clusters are.

    Args:
        labels: As :func:`select` gives them.
        name: Of the selection.
        clusters: k of the clustering.
        threshold: λ of the selection.
        batch_size: Images of a training step.

    Raises:
        ValueError: fewer images than a batch are selected, or they are in fewer than two clusters.
    """
    figures = selection_figures(labels)
    sizes = f"{figures['least']} / {figures['median']} / {figures['most']}"
    summary = (
        f"{name}: {figures['selected']} of {len(labels)} images in {figures['clusters']} of {clusters} clusters are"
        f" reliable; images a cluster (least / median / most): {sizes}"
    )
    if figures["selected"] < batch_size or figures["clusters"] < 2:
        raise InputError(
            f"threshold={threshold}: {summary}: too few to train on in batches of loader.batch_size={batch_size}; lower"
            f" threshold, give more clusters, or check whether model 0 or a training at optimizer.lr has collapsed"
        )
    return summary
