"""Where the true matches of each query rank, by chunks of queries and without sorting the gallery."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.counting import Counts, Thresholds, count_before
from reid_lit.evaluation.distance import BLOCK, DistanceBlocks
from reid_lit.evaluation.lists import Columns, Lists, check_lengths
from reid_lit.evaluation.precision import Hits, average_precision
from reid_lit.evaluation.protocol import Protocol, resolve
from reid_lit.evaluation.top import Top, top

__all__ = ["ABSENT", "FOUND", "SAME_CAMERA", "Lists", "QueryScores", "Top", "score_both", "score_queries", "top"]

FOUND, ABSENT, SAME_CAMERA = 0, 1, 2
"""Causes: the query has a match; its person is not in the gallery; only in images that the camera rule removes."""


@dataclass(frozen=True)
class QueryScores:
    """The scores of each query, on the CPU.

    Attributes:
        first_match: ``(queries)`` int64, rank of the first true match after removal, from 1; 0 when there is none.
        first_match_index: ``(queries)`` int64, the gallery index of that match; -1 when there is none.
        average_precision: ``(queries)`` float64 in (0, 1]; nan when there is no match.
        inverse_negative_penalty: ``(queries)`` float64, matches / rank of the last match, in (0, 1]; nan without match.
        matches: ``(queries)`` int64, number of true matches.
        cause: ``(queries)`` int64, :data:`FOUND`, :data:`ABSENT` or :data:`SAME_CAMERA`.
    """

    first_match: Int[Tensor, " queries"]
    first_match_index: Int[Tensor, " queries"]
    average_precision: Float[Tensor, " queries"]
    inverse_negative_penalty: Float[Tensor, " queries"]
    matches: Int[Tensor, " queries"]
    cause: Int[Tensor, " queries"]

    @property
    def valid(self) -> Bool[Tensor, " queries"]:
        """Which queries have a match."""
        return self.cause == FOUND


def score_queries(
    query: Float[Tensor, "queries dim"],
    gallery: Float[Tensor, "gallery dim"],
    lists: Lists,
    protocol: Protocol,
    *,
    chunk: int = 256,
    nd: bool = False,
) -> QueryScores:
    """The scores of each query.

    Args:
        query: Embeddings.
        gallery: Embeddings, on the same device.
        lists: Person and camera of each.
        protocol: How to score.
        chunk: Queries scored at once. Distances come 512 queries at a time, so the scores do not depend on it.
        nd: Remove everything that the query's camera took, whatever the person (no distractors of its own camera).

    Raises:
        ValueError: embeddings and lists of different number, or embeddings that are not finite.
    """
    return score_both(query, gallery, lists, protocol, chunk=chunk)[int(nd)]


@torch.no_grad()
def score_both(
    query: Float[Tensor, "queries dim"],
    gallery: Float[Tensor, "gallery dim"],
    lists: Lists,
    protocol: Protocol,
    *,
    chunk: int = 256,
) -> tuple[QueryScores, QueryScores]:
    """The scores by the camera rule, and those with everything of the query's camera removed, from one pass."""
    check_lengths(query, gallery, lists)
    lists, protocol = lists.to(query.device), resolve(protocol, lists)
    columns = Columns(lists)
    blocks = DistanceBlocks(query, columns.select(gallery), protocol.distance)
    parts = []
    for start in range(0, len(query), BLOCK):
        row = start
        for distance in blocks.block(start).split(chunk):
            rows = slice(row, row + len(distance))
            parts.append(_score_rows(distance, lists.query_person[rows], lists.query_camera[rows], columns, protocol))
            row = rows.stop
    plain, nd = zip(*parts, strict=True)
    return _join(plain), _join(nd)


def _score_rows(
    distance: Float[Tensor, "rows columns"],
    person: Int[Tensor, " rows"],
    camera: Int[Tensor, " rows"],
    columns: Columns,
    protocol: Protocol,
) -> tuple[QueryScores, QueryScores]:
    """Scores of a few queries by the camera rule and without their own camera; overwrites ``distance``."""
    place, filled = columns.of_person(person)
    near, order = distance.gather(1, place).masked_fill_(~filled, torch.inf).sort(dim=1, stable=True)
    shown = Thresholds(near, place.gather(1, order), filled.gather(1, order))
    distance[shown.wanted.nonzero()[:, 0], shown.column[shown.wanted]] = torch.inf  # leaves other persons to count
    others, own = count_before(distance, shown, camera, columns.camera)
    elsewhere = Counts(others.before - own.before, others.upto - own.upto)
    under_others = shown.wanted & (columns.camera[shown.column] != camera[:, None])
    by_rule = under_others if protocol.camera_rule == "cross_camera" else shown.wanted
    return (
        _scores(shown, by_rule, others, columns, protocol.ap),
        _scores(shown, under_others, elsewhere, columns, protocol.ap),
    )


def _scores(
    shown: Thresholds, counts: Bool[Tensor, "rows members"], others: Counts, columns: Columns, ap: str
) -> QueryScores:
    """Scores from the images that show the query's person and ``counts``, and from how many others precede each."""
    position = counts.cumsum(1)
    rank = position + others.before
    hits_upto = position.gather(1, torch.searchsorted(shown.value, shown.value, right=True) - 1)
    matches, slot = counts.sum(1), counts.byte().argmax(1, keepdim=True)
    none = matches == 0
    last = rank.masked_fill(~counts, 0).amax(1)
    scores = (
        rank.gather(1, slot)[:, 0].masked_fill(none, 0),
        columns.index[shown.column.gather(1, slot)[:, 0]].masked_fill(none, -1),
        average_precision(Hits(counts, position, rank, hits_upto, hits_upto + others.upto), ap),
        matches.double() / last.double(),
        matches,
        torch.where(none, torch.where(shown.wanted.any(1), SAME_CAMERA, ABSENT), FOUND),
    )
    return QueryScores(*(score.cpu() for score in scores))


def _join(parts: Sequence[QueryScores]) -> QueryScores:
    """The scores of all queries from those of some."""
    return QueryScores(*(torch.cat([getattr(part, item.name) for part in parts]) for item in fields(QueryScores)))
