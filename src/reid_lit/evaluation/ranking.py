"""The ranks of each query's true matches, by chunks of queries and without sorting the gallery."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.counting import Counts, Thresholds, count_before
from reid_lit.evaluation.lists import Asked, Columns
from reid_lit.evaluation.precision import Hits, average_precision
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker

FOUND, ABSENT, SAME_CAMERA, CLOTHES = 0, 1, 2, 3
"""Causes: the query has a match; its person is not in the gallery; is there only in images that the camera rule
removes; only in images that the clothes rule and it remove together."""


@dataclass(frozen=True)
class QueryScores:
    """The scores of each query, on the CPU.

    Attributes:
        first_match: ``(queries)`` int64, rank of the first true match after removal, from 1; 0 when there is none.
        first_match_index: ``(queries)`` int64, the gallery index of that match; -1 when there is none.
        average_precision: ``(queries)`` float64 in (0, 1]; nan when there is no match.
        inverse_negative_penalty: ``(queries)`` float64, matches / rank of the last match, in (0, 1]; nan without match.
        matches: ``(queries)`` int64, number of true matches.
        cause: ``(queries)`` int64, :data:`FOUND`, :data:`ABSENT`, :data:`SAME_CAMERA` or :data:`CLOTHES`.
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


def score_queries(ranker: Ranker, *, chunk: int = 256, nd: bool = False) -> QueryScores:
    """The scores of each query.

    Args:
        ranker: What is ranked, and how it is scored.
        chunk: Queries scored at once. Distances come 512 queries at a time, so the scores do not depend on it.
        nd: Remove all images of the query's camera, of any person, its distractors included.

    Raises:
        ValueError: embeddings that are not finite, or a limit of memory that cannot be met.
    """
    return score_both(ranker, chunk=chunk)[int(nd)]


@torch.no_grad()
def score_both(ranker: Ranker, *, chunk: int = 256) -> tuple[QueryScores, QueryScores]:
    """The scores by the camera rule, and those with everything of the query's camera removed, from one pass."""
    lists, parts = ranker.lists, []
    for start, block in ranker:
        row = start
        for distance in block.split(chunk):
            rows = slice(row, row + len(distance))
            ranked = rank_rows(distance, lists.asked(rows), ranker.columns)
            parts.append(score_rows(ranked, ranker.columns, ranker.protocol))
            row = rows.stop
    return join(parts)


class Ranked(NamedTuple):
    """The true matches of a few queries, and the number of other images that rank before each.

    Attributes:
        shown: The distances of the images that show the query's person.
        others: Numbers of images of other persons.
        same_camera: Numbers of those of the others that the query's camera took.
        asked: The queries.
    """

    shown: Thresholds
    others: Counts
    same_camera: Counts
    asked: Asked


def rank_rows(distance: Float[Tensor, "rows columns"], asked: Asked, columns: Columns) -> Ranked:
    """Rank the true matches of a few queries; overwrites ``distance``."""
    place, filled = columns.of_person(asked.person)
    near, order = distance.gather(1, place).masked_fill_(~filled, torch.inf).sort(dim=1, stable=True)
    shown = Thresholds(near, place.gather(1, order), filled.gather(1, order))
    distance[shown.wanted.nonzero()[:, 0], shown.column[shown.wanted]] = torch.inf  # so that only other persons count
    return Ranked(shown, *count_before(distance, shown, asked.camera, columns.camera), asked)


def score_rows(ranked: Ranked, columns: Columns, protocol: Protocol) -> tuple[QueryScores, QueryScores]:
    """The scores of a few queries by the camera rule, and those without the images of their camera."""
    shown, others, same_camera, asked = ranked
    elsewhere = Counts(others.before - same_camera.before, others.upto - same_camera.upto)
    across = shown.wanted & (columns.camera[shown.column] != asked.camera[:, None])
    others_of_person = shown.wanted & ~columns.is_itself(shown.column, asked)
    by_rule = across if protocol.camera_rule == "cross_camera" else others_of_person
    worn = ~columns.removed_by_clothes(shown.column, asked, protocol)
    return (
        _scores(shown, by_rule, worn, others, columns, protocol.ap),
        _scores(shown, across, worn, elsewhere, columns, protocol.ap),
    )


def _scores(
    shown: Thresholds,
    by_camera: Bool[Tensor, "rows members"],
    by_clothes: Bool[Tensor, "rows members"],
    others: Counts,
    columns: Columns,
    ap: str,
) -> QueryScores:
    """Scores from those images of the query's person that both rules keep, and the number of others before each."""
    counts = by_camera & by_clothes
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
        torch.where(none, cause_of(shown.wanted.any(1), by_camera.any(1)), FOUND),
    )
    return QueryScores(*(score.cpu() for score in scores))


def cause_of(shown: Bool[Tensor, " rows"], by_camera: Bool[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Why a query has no match: whether its person is in the gallery, and whether under a camera that counts."""
    return torch.where(by_camera, CLOTHES, torch.where(shown, SAME_CAMERA, ABSENT))


def join(parts: Sequence[tuple[QueryScores, QueryScores]]) -> tuple[QueryScores, QueryScores]:
    """Both scores of all queries, from parts with the scores of some."""
    by_rule, nd = zip(*parts, strict=True)
    return _joined(by_rule), _joined(nd)


def _joined(parts: Sequence[QueryScores]) -> QueryScores:
    columns = {item.name: torch.cat([getattr(part, item.name) for part in parts]) for item in fields(QueryScores)}
    return QueryScores(**columns)
