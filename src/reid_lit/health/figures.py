"""The health figures of a model on the images by which it is watched."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from reid_lit.health.domains import Domain
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


@contextmanager
def as_it_is(model: RetrievalModel) -> Iterator[None]:
    """Evaluation mode without gradients; then each part has its own mode again, and the random state is as before."""
    modes = [(part, part.training) for part in model.modules()]
    with torch.random.fork_rng(), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for part, mode in modes:
                part.training = mode


def health_figures(
    model: RetrievalModel,
    domains: Mapping[str, Domain],
    *,
    batch_size: int,
    probe_folds: int,
    cluster_share: float,
    cluster_smallest: int,
    seed: int,
) -> dict[str, float]:
    """All that can be told of the domains; what a model or the data cannot tell is left out.

    Args:
        model: In evaluation mode.
        domains: The images, by ``source`` and ``target``.
        batch_size: Images embedded at once.
        probe_folds: As ``folds`` of :func:`reid_lit.health.measures.domain_probe`.
        cluster_share: As ``share`` of :func:`reid_lit.health.measures.cluster_figures`.
        cluster_smallest: As ``smallest``, likewise.
        seed: Of the probe's parts.

    Returns:
        Of each domain ``<domain>_rank``, ``_spread``, ``_dead``, ``_cosine`` and ``_reconstruction``, or
        ``_nonfinite``, the share of features that are no numbers; ``domain_probe``; and the target's clusters.
    """
    figures: dict[str, float] = {}
    shared = {}
    for name, domain in domains.items():
        feature, own = _of_domain(model, name, domain, batch_size)
        figures |= own
        if f"{name}_nonfinite" not in own:
            shared[name] = feature
    if len(shared) == 2 and all(len(feature) >= probe_folds for feature in shared.values()):
        figures["domain_probe"] = domain_probe(shared["source"], shared["target"], folds=probe_folds, seed=seed)
    watched = shared.get("target", shared.get("source"))
    if watched is not None and len(watched) > 1:
        figures |= cluster_figures(watched, share=cluster_share, smallest=cluster_smallest)
    return figures


def _of_domain(
    model: RetrievalModel, name: str, domain: Domain, batch_size: int
) -> tuple[Float[Tensor, "images dim"], dict[str, float]]:
    """The shared features of a domain, on the CPU, and its own figures."""
    shared, private, error = [], [], RelativeError()
    for start in range(0, len(domain.image), batch_size):
        rows = slice(start, start + batch_size)
        image = domain.image[rows].to(model.device).float().div_(255)
        camera = None if domain.camera is None else domain.camera[rows].to(model.device)
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
    if (left := error.compute()) is not None:
        figures["reconstruction"] = left
    return feature, {f"{name}_{figure}": value for figure, value in figures.items()}
