"""The health figures of a model on the watched images."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.errors import InputError
from reid_lit.health.domains import WatchedImages
from reid_lit.health.measures import (
    RelativeError,
    cluster_figures,
    dead_dimensions,
    domain_probe,
    effective_rank,
    feature_spread,
    mean_cosine,
)
from reid_lit.models.base import RetrievalModel

BETTER = {
    "domain_probe": min,
    "silhouette": max,
    "noise": min,
    "source_rank": max,
    "target_rank": max,
    "source_spread": max,
    "target_spread": max,
    "source_reconstruction": min,
    "target_reconstruction": min,
    "source_cosine": min,
    "target_cosine": min,
}
"""The figures by which an epoch can be chosen, and whether less or more is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSettings:
    """How the figures are measured.

    Attributes:
        batch_size: Images embedded at once.
        probe_folds: ``folds`` of :func:`~reid_lit.health.measures.domain_probe`.
        cluster_share: ``share`` of :func:`~reid_lit.health.measures.cluster_figures`.
        cluster_smallest: ``smallest`` of :func:`~reid_lit.health.measures.cluster_figures`.
        seed: Of the probe's parts.

    Raises:
        ValueError: a number is out of range.
    """

    batch_size: int
    probe_folds: int
    cluster_share: float
    cluster_smallest: int
    seed: int

    def __post_init__(self) -> None:
        if self.probe_folds < 2:
            raise InputError(f"probe_folds={self.probe_folds} must be ≥ 2")
        if not 0 < self.cluster_share <= 1:
            raise InputError(f"cluster_share={self.cluster_share} must be in (0, 1]")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluate without gradients; then give each part its own mode back, and the random state as before."""
    modes = [(part, part.training) for part in model.modules()]
    with torch.random.fork_rng(), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for part, mode in modes:
                part.training = mode


def health_figures(
    model: RetrievalModel, domains: Mapping[str, WatchedImages], settings: FigureSettings
) -> dict[str, float]:
    """All figures of the domains; those that the model or the data do not have are left out.

    Args:
        model: In evaluation mode.
        domains: The images, by ``source`` and ``target``.
        settings: How the figures are measured.

    Returns:
        Of each domain ``<domain>_rank``, ``_spread``, ``_dead``, ``_cosine`` and ``_reconstruction``, or
        ``_nonfinite``, the share of features that are no numbers; ``domain_probe``; and the target's clusters.
    """
    figures: dict[str, float] = {}
    shared = {}
    for name, images in domains.items():
        feature, domain_figures = _of_domain(model, name, images, settings.batch_size)
        figures |= domain_figures
        if f"{name}_nonfinite" not in domain_figures:
            shared[name] = feature
    folds = settings.probe_folds
    if len(shared) == 2 and all(len(feature) >= folds for feature in shared.values()):
        figures["domain_probe"] = domain_probe(shared["source"], shared["target"], folds=folds, seed=settings.seed)
    clustered = shared.get("target", shared.get("source"))
    if clustered is not None and len(clustered) > 1:
        figures |= cluster_figures(clustered, share=settings.cluster_share, smallest=settings.cluster_smallest)
    return figures


def _of_domain(
    model: RetrievalModel, name: str, watched: WatchedImages, batch_size: int
) -> tuple[Float[Tensor, "images dim"], dict[str, float]]:
    """The shared features of a domain, on the CPU, and the domain's figures."""
    shared, private, error = [], [], RelativeError()
    for start in range(0, len(watched.image), batch_size):
        rows = slice(start, start + batch_size)
        image = watched.image[rows].to(model.device).float().div_(255)
        camera = None if watched.camera is None else watched.camera[rows].to(model.device)
        parts = model.health_parts(image, camera, source=name == "source")
        shared.append(parts.shared.float().cpu())
        if parts.private is not None:
            private.append(parts.private.float().cpu())
        if parts.original is not None and parts.rebuilt is not None:
            error.update(parts.rebuilt, parts.original)
    feature = torch.cat(shared)
    finite = feature.isfinite().all(1)
    if not finite.all():
        return feature, {f"{name}_nonfinite": 1 - float(finite.double().mean())}
    figures = {"rank": effective_rank(feature), "spread": feature_spread(feature), "dead": dead_dimensions(feature)}
    if private and private[0].shape[1] == feature.shape[1]:
        figures["cosine"] = mean_cosine(feature, torch.cat(private))
    relative_error = error.compute()
    if relative_error is not None:
        figures["reconstruction"] = relative_error
    return feature, {f"{name}_{figure}": value for figure, value in figures.items()}
