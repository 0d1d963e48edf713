"""Measures of features without labels: their spread, how well domains can be separated, clusters."""

import warnings

import numpy as np
import torch
from jaxtyping import Float
from sklearn.cluster import DBSCAN
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.wording import counted

_ROUNDING = 1e-5
"""Of unit features in float32: what is smaller is round-off."""


def feature_spread(feature: Float[Tensor, "images dim"]) -> float:
    """The mean distance of the unit features to their mean: 0 where all are alike, at most 1.

    >>> feature_spread(torch.tensor([[3.0, 0.0], [1.0, 0.0]])), feature_spread(torch.tensor([[1.0, 0.0], [-5.0, 0.0]]))
    (0.0, 1.0)
    """
    unit = F.normalize(feature.double(), dim=1)
    return float((unit - unit.mean(0)).norm(dim=1).mean())


def effective_rank(feature: Float[Tensor, "images dim"]) -> float:
    """In how many directions the unit features vary around their mean: exp(−Σ p ln p), p the singular values' shares.

    From 1, all on a line, to the number of channels; 0 where all features are alike.

    Source: Roy and Vetterli, "The effective rank", EUSIPCO 2007, definition 1; unit features and their mean are ours.
    """
    unit = F.normalize(feature.double(), dim=1)
    centred = unit - unit.mean(0)
    products = centred @ centred.T if len(unit) < unit.shape[1] else centred.T @ centred  # 30 × as fast as an SVD
    values = torch.linalg.eigvalsh(products).clamp_min(0).sqrt()
    values = values[values > _ROUNDING * len(feature) ** 0.5]
    share = values / values.sum()
    return float((-(share * share.log()).sum()).exp()) if len(values) else 0.0


def dead_dimensions(feature: Float[Tensor, "images dim"]) -> float:
    """The share of channels, in [0, 1], that are the same for all images, up to round-off of the typical channel."""
    size = feature.double().square().mean().sqrt()
    return float((feature.double().std(0, correction=0) <= _ROUNDING * size).double().mean())


def mean_cosine(one: Float[Tensor, "images dim"], other: Float[Tensor, "images dim"]) -> float:
    """The mean over the images of |cos| of their two features, in [0, 1]; 0 where each pair is orthogonal."""
    return float(F.cosine_similarity(one.double(), other.double(), dim=1).abs().mean())


def domain_probe(
    source: Float[Tensor, "source dim"], target: Float[Tensor, "target dim"], *, folds: int, seed: int
) -> float:
    """How well a line separates the domains by unit features: cross-validated balanced accuracy, 0.5 is by chance.

    A logistic regression on standardised channels, with an L2 penalty of weight 1.

    Args:
        source: Features of one domain.
        target: Features of the other.
        folds: Parts of the images, each tested with what was learnt from the others.
        seed: Of the parts.

    Raises:
        ValueError: a domain has fewer images than there are folds.
    """
    if min(len(source), len(target)) < folds:
        raise InputError(
            f"probe_folds={folds}, but the source has {counted(len(source), 'image')} and the target {len(target)};"
            f" raise callbacks.health.images or give fewer folds"
        )
    features = F.normalize(torch.cat([source, target]).double(), dim=1).numpy()
    domain = np.repeat([0, 1], [len(source), len(target)])
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a line that separates them all can always go further
        return float(cross_val_score(probe, features, domain, cv=parts, scoring="balanced_accuracy").mean())


def cluster_figures(feature: Float[Tensor, "images dim"], *, share: float, smallest: int) -> dict[str, float]:
    """Clusters that DBSCAN finds among the unit features.

    Args:
        feature: Of one domain.
        share: The nearest of all pairs of images, in (0, 1]; their mean distance is the radius of a neighbourhood.
        smallest: Images within the radius, itself among them, that make an image the core of a cluster.

    Returns:
        ``clusters``; ``noise``, the share of images in none; ``cluster_min``, ``cluster_median`` and ``cluster_max``,
        images of a cluster; ``silhouette`` in [-1, 1] of the images in clusters, where there are two or more.

    Source: Song et al., "Unsupervised domain adaptive re-identification: theory and practice", 2018 (the
        radius); Ester et al., KDD 1996 (DBSCAN).
    """
    unit = F.normalize(feature.double(), dim=1)
    distance = torch.cdist(unit, unit).fill_diagonal_(0)
    pairs = distance[tuple(torch.triu_indices(len(unit), len(unit), 1))].sort().values
    radius = float(pairs[: max(1, round(share * len(pairs)))].mean()) + _ROUNDING
    labels = DBSCAN(eps=radius, min_samples=smallest, metric="precomputed").fit_predict(distance.numpy())
    kept = np.flatnonzero(labels >= 0)
    sizes = np.bincount(labels[kept])
    figures = {"clusters": float(len(sizes)), "noise": 1 - len(kept) / len(labels)}
    if len(sizes):
        named = {"cluster_min": sizes.min(), "cluster_median": np.median(sizes), "cluster_max": sizes.max()}
        figures |= {name: float(value) for name, value in named.items()}
    if 1 < len(sizes) < len(kept):
        within = distance.numpy()[np.ix_(kept, kept)]
        figures["silhouette"] = float(silhouette_score(within, labels[kept], metric="precomputed"))
    return figures


class RelativeError:
    """The relative error of a reconstruction: its mean squared error divided by the variance of the original.

    0 is perfect; 1 is the error of the mean over all images. Batches are added up, the maps are not kept.
    """

    def __init__(self) -> None:
        self.images = 0
        self.error = 0.0
        self.total: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def update(self, rebuilt: Float[Tensor, "batch *map"], original: Float[Tensor, "batch *map"]) -> None:
        """Add a batch."""
        rebuilt, original = rebuilt.double(), original.double()
        self.images += len(original)
        self.error += float((rebuilt - original).square().sum())
        self.total = self.total + original.sum(0)
        self.squares = self.squares + original.square().sum(0)

    def compute(self) -> float | None:
        """The relative error; None where nothing was added, or nothing varies."""
        if not isinstance(self.total, Tensor) or not isinstance(self.squares, Tensor):
            return None
        varies = float((self.squares - self.total.square() / self.images).sum())
        return self.error / varies if varies > _ROUNDING**2 * float(self.squares.sum()) else None
