"""Average precision by the three conventions in use; they differ by 1-2 points of mAP on real rankings."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.errors import InputError


@dataclass(frozen=True)
class Hits:
    """The true matches of each query, in the order of their distance; entries that do not count are padding.

    Attributes:
        counts: ``(queries matches)``, which entries count.
        position: ``(queries matches)``, the entry is the i-th match, from 1.
        rank: ``(queries matches)``, its rank among all entries that count, from 1.
        hits_upto: ``(queries matches)``, matches that are not farther, ties included.
        upto: ``(queries matches)``, all entries that are not farther, ties included.
    """

    counts: Bool[Tensor, "queries matches"]
    position: Int[Tensor, "queries matches"]
    rank: Int[Tensor, "queries matches"]
    hits_upto: Int[Tensor, "queries matches"]
    upto: Int[Tensor, "queries matches"]


def average_precision(hits: Hits, convention: str) -> Float[Tensor, " queries"]:
    """The average precision of each query, in (0, 1]; nan without a match.

    With the i-th of n matches at rank r_i: ``step`` is the mean of i/r_i; ``trapezoid`` the mean of
    ½ (i/r_i + (i-1)/(r_i-1)), the second term 1 at r_i = 1; ``sklearn`` is ``step`` with tied distances as one
    threshold.

    Source: step: Luo et al. 2019 (strong baseline). trapezoid: Zheng et al. 2015, Market-1501's ``compute_AP.m``.
        sklearn: ``sklearn.metrics.average_precision_score``, as in Xiao's open-reid, 2017.

    Args:
        hits: The matches.
        convention: ``step``, ``trapezoid`` or ``sklearn``.

    Raises:
        ValueError: an unknown convention.
    """
    position, rank = hits.position.double(), hits.rank.double()
    if convention == "step":
        precision = position / rank
    elif convention == "trapezoid":
        before = torch.where(hits.rank > 1, (position - 1) / (rank - 1).clamp_min(1), 1.0)
        precision = (position / rank + before) / 2
    elif convention == "sklearn":
        precision = hits.hits_upto.double() / hits.upto.double()
    else:
        raise InputError(f"convention={convention!r} is unknown; choose step, trapezoid or sklearn")
    total = torch.where(hits.counts, precision, 0.0).cumsum(1)[
        :, -1
    ]  # sum would add up padding of another width otherwise
    return total / hits.counts.sum(1)
