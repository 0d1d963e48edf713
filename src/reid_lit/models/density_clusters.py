"""Clusters of images of unknown persons by density: DBSCAN on Jaccard distances, and what is seen of them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import sort_graph_by_row_values
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.neighbours.jaccard import check_jaccard, jaccard_neighbours
from reid_lit.models.pseudo_labels import selection_figures
from reid_lit.records import JUNK


def check_density(*, k1: int, k2: int, eps: float, min_samples: int) -> None:
    """Raise InputError unless images can be clustered with these settings."""
    check_jaccard(k1=k1, k2=k2, reach=eps)
    if min_samples < 2:
        raise InputError(f"min_samples={min_samples}: at 1 each image is a cluster; give 2 or more")


def density_clusters(
    features: Float[Tensor, "images dim"], *, k1: int, k2: int, eps: float, min_samples: int
) -> Int[Tensor, " images"]:
    """The cluster of each image, 0 … clusters-1, and -1 for outliers; on the CPU.

    An image within reach of two clusters, and of the core of neither, goes to the one whose first image comes first.

    Args:
        features: Compared at unit length.
        k1: As in :func:`~reid_lit.evaluation.neighbours.jaccard.jaccard_neighbours`.
        k2: Likewise.
        eps: The Jaccard distance within which images are neighbours, in (0, 1).
        min_samples: Neighbours, itself among them, that make an image the core of a cluster.

    Source: Ester et al., "A density-based algorithm for discovering clusters", KDD 1996; on these distances Dai et al.,
        "Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022, section 3.2.
    """
    near = jaccard_neighbours(features, k1=k1, k2=k2, reach=eps)
    parts = (near.value.cpu().numpy(), near.column.cpu().numpy(), near.start.cpu().numpy())
    graph = sort_graph_by_row_values(csr_matrix(parts, shape=(len(near), near.width)), warn_when_not_sorted=False)
    labels = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit_predict(graph)
    return torch.from_numpy(labels).long()


def centres(features: Float[Tensor, "images dim"], labels: Int[Tensor, " images"]) -> Float[Tensor, "clusters dim"]:
    """The mean feature of each cluster; images of label -1 are left out."""
    kept = labels != JUNK
    labels, features = labels[kept], features[kept]
    sums = features.new_zeros(int(labels.max()) + 1, features.shape[1]).index_add_(0, labels, features)
    return sums / labels.bincount()[:, None]


def behind_persons(persons: Sequence[int], clusters: Int[Tensor, " target"]) -> Int[Tensor, " images"]:
    """The classes of a source's images, counted from 0 in the order of its persons, then clusters, counted on.

    >>> behind_persons([7, 3, 7], torch.tensor([1, -1, 0]))
    tensor([ 1,  0,  1,  3, -1,  2])
    """
    number = {person: place for place, person in enumerate(sorted({*persons}))}
    source = torch.tensor([number[person] for person in persons], dtype=torch.int64)
    return torch.cat([source, torch.where(clusters == JUNK, JUNK, clusters + len(number))])


def cluster_figures(labels: Int[Tensor, " images"], before: Int[Tensor, " images"] | None) -> dict[str, float]:
    """What is seen of clusters without a label.

    Args:
        labels: Of a round.
        before: Of the round before; None: it is the first.

    Returns:
        ``clusters``; ``outliers``, their share; ``least``, ``median`` and ``most`` images of a cluster. Beside a round
        before: ``stability``, the adjusted Rand index of both rounds' clusters over the images that both have in one;
        ``outliers_kept``, the share of that round's outliers that are outliers again.

    Source: Hubert and Arabie, "Comparing partitions", Journal of Classification 1985, equation 5.
    """
    sizes = selection_figures(labels)
    outlier = labels == JUNK
    figures = {"clusters": float(sizes["clusters"]), "outliers": float(outlier.double().mean())}
    figures |= {name: float(sizes[name]) for name in ("least", "median", "most")}
    if before is not None:
        was = before == JUNK
        if (both := ~(outlier | was)).any():
            figures["stability"] = float(adjusted_rand_score(before[both].numpy(), labels[both].numpy()))
        if was.any():
            figures["outliers_kept"] = float(outlier[was].double().mean())
    return figures


def check_clusters(figures: dict[str, float], *, name: str, eps: float, min_samples: int) -> str:
    """The clusters of a round in words.

    Args:
        figures: As :func:`cluster_figures` gives them.
        name: Of the round.
        eps: Of the clustering.
        min_samples: Of the clustering.

    Raises:
        ValueError: there are fewer than two clusters.
    """
    sizes = " / ".join(f"{figures[size]:.0f}" for size in ("least", "median", "most"))
    stable = f"; stability {figures['stability']:.2f}" if "stability" in figures else ""
    summary = (
        f"{name}: {figures['clusters']:.0f} clusters, {100 * figures['outliers']:.1f} % of the images are outliers;"
        f" images a cluster (least / median / most): {sizes}{stable}"
    )
    if figures["clusters"] < 2:
        cure = "raise eps, or lower min_samples" if figures["outliers"] > 0.5 else "lower eps"
        raise InputError(
            f"eps={eps}, min_samples={min_samples}: {summary}: there is nothing to tell apart; {cure}, or check whether"
            f" the network that the rounds start from, or a training at optimizer.lr, has collapsed"
        )
    return summary
