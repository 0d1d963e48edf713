"""Confidence intervals: how much a score would differ with other queries."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.catalogue import LEVEL

SEED = 0
"""Seed of the resamples, so that all scores and two models are compared on the same ones."""


def intervals(values: Mapping[str, Float[Tensor, " queries"]], *, resamples: int) -> dict[str, tuple[float, float]]:
    """Percentile confidence intervals of the means over queries, at :data:`LEVEL`.

    In each resample as many queries as there are are drawn with replacement; the interval holds the middle 95 % of the
    means. The gallery stays as it is, and queries count as independent, even several images of one person.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.

    Args:
        values: By the name of each score, the values that it is the mean of; all of the same queries.
        resamples: How often queries are drawn.

    Raises:
        ValueError: values of different number, or none.
    """
    sizes = {len(value) for value in values.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError(f"intervals over {sorted(sizes)} queries; give one value or more, of the same queries each")
    table = np.stack([value.double().cpu().numpy() for value in values.values()])
    generator = np.random.default_rng(SEED)
    draws = (generator.integers(table.shape[1], size=table.shape[1]) for _ in range(resamples))
    means = np.stack([table[:, draw].mean(axis=1) for draw in draws])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0).tolist()
    return dict(zip(values, zip(low, high, strict=True), strict=True))
