"""Re-association: whether a track that begins is found among the tracks that ended, by how long before."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from reid_lit.evaluation.budget import check_bytes
from reid_lit.evaluation.marks import UNKNOWN
from reid_lit.evaluation.track_vectors import Spans
from reid_lit.records import JUNK

ROWS = 512
"""Tracks compared at once."""

PAIR = 9
"""Bytes kept of each pair of tracks: its score, twice while they are sorted, and whether it shows one person."""


def reassociation(
    spans: Spans, edges: Sequence[int | float], *, memory_limit_gb: float | None = None
) -> list[dict[str, Any]]:
    """MRR, rank-1 and AUC of re-association for each range of time gaps.

    Track g is a *candidate* for track q where both are of one clock and g ≠ q had ended when q began; their gap is
    start(q) − end(g) ≥ 0. Candidates of all cameras count, and junk is none. In a range [a, b) of gaps:

    * C(q) = {g : a ≤ gap(q, g) < b}; q is a *query* where C(q) shows q's person.
    * r(q) = 1 + the number of g in C(q) of other persons whose score is at least that of the best of q's person, where
      the score is the cosine of the pooled vectors. MRR is the mean of 1 / r(q) over queries, rank-1 the share with
      r(q) = 1.
    * AUC is the share, over all pairs of a same-person pair and a two-person pair of the range, in which the
      same-person pair has the higher score; equal scores count one half.

    A tie is lost, so that equal vectors gain nothing. The last range has no end.

    Source: the idea and the three figures follow the re-association benchmark of Roboflow's ``reid`` 0.1.0
        (github.com/roboflow/re-ID, 2026); the definition is ours. AUC: Hanley and McNeil, Radiology 1982.

    Args:
        spans: The tracks.
        edges: Seconds, ascending, the first above 0.
        memory_limit_gb: See :class:`.protocol.Protocol`.

    Raises:
        ValueError: the pairs do not fit into the limit.
    """
    timed = (spans.clock != UNKNOWN) & (spans.person != JUNK)
    spans = Spans(*(part[timed] for part in spans))
    check_pairs(len(spans.person), memory_limit_gb)
    ranges = list(itertools.pairwise((0.0, *map(float, edges), float("inf"))))
    ranks: list[list[int]] = [[] for _ in ranges]
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in ranges]
    for start in range(0, len(spans.person), ROWS):
        rows = slice(start, start + ROWS)
        score = (spans.vector[rows] @ spans.vector.T).cpu().float()
        same = (spans.person[rows, None] == spans.person).cpu()
        itself = torch.arange(start, start + len(score))
        gap = (spans.start[rows, None] - spans.end).masked_fill(spans.clock[rows, None] != spans.clock, -1).cpu()
        gap[itself - start, itself] = -1  # a track of one image ends when it begins
        for place, (low, high) in enumerate(ranges):
            chosen = (gap >= low) & (gap < high)
            ranks[place] += _ranks(score, same, chosen)
            pairs[place].append((score[chosen].numpy(), same[chosen].numpy()))
    return [_record(low, high, ranks[k], pairs[k]) for k, (low, high) in enumerate(ranges)]


def check_pairs(tracks: int, memory_limit_gb: float | None) -> None:
    """Raise InputError where the pairs of so many tracks of known times do not fit into the limit."""
    check_bytes(memory_limit_gb, PAIR * tracks**2 // 2, work="re-association")


def _ranks(
    score: Float[torch.Tensor, "rows tracks"], same: Bool[torch.Tensor, "rows tracks"], chosen: torch.Tensor
) -> list[int]:
    """r(q) of each query."""
    best = score.masked_fill(~(chosen & same), -torch.inf).amax(1, keepdim=True)
    before = (chosen & ~same & (score >= best)).sum(1)
    return (1 + before)[(chosen & same).any(1)].tolist()


def _record(
    low: float, high: float, ranks: Sequence[int], parts: Sequence[tuple[np.ndarray, np.ndarray]]
) -> dict[str, Any]:
    """The figures of a range, in JSON's types; None where there is nothing to measure."""
    score = np.concatenate([np.zeros(0, np.float32), *(part[0] for part in parts)])
    same = np.concatenate([np.zeros(0, np.bool_), *(part[1] for part in parts)])
    record: dict[str, Any] = {"from": low, "to": None if high == float("inf") else high}
    record |= {"queries": len(ranks), "same": int(same.sum()), "different": int((~same).sum())}
    record["mrr"] = float(np.mean([1 / rank for rank in ranks])) if ranks else None
    record["rank1"] = float(np.mean([rank == 1 for rank in ranks])) if ranks else None
    return record | {"auc": area(score[same], score[~same])}


def area(same: Float[np.ndarray, " same"], different: Float[np.ndarray, " different"]) -> float | None:
    """The area under the ROC curve, P(s > d) + P(s = d) / 2; None without a score of each.

    >>> area(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    if not len(same) or not len(different):
        return None
    ordered = np.sort(different)
    below, upto = (np.searchsorted(ordered, same, side=side).astype(np.float64) for side in ("left", "right"))
    return float((below + upto).sum() / (2.0 * len(same) * len(different)))
