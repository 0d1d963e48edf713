"""Scores of a whole data set, with the protocol that they were measured by."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.catalogue import ND, has_nd
from reid_lit.evaluation.checks import check_marks
from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.lists import Columns, Lists
from reid_lit.evaluation.measures.details import details
from reid_lit.evaluation.measures.identification import SEED
from reid_lit.evaluation.measures.separation import intra_inter_ratio
from reid_lit.evaluation.measures.single_shot import single_shot_ranks
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import ABSENT, CLOTHES, FOUND, SAME_CAMERA, QueryScores, cause_of, score_both
from reid_lit.evaluation.streaming import score_streamed
from reid_lit.wording import counted

EXAMPLES = 3
"""Queries without a match that an error shows."""


class Result:
    """What an evaluation gives. No dataclass: torchmetrics refuses frozen ones and squeezes the tensors of others.

    Attributes:
        scores: Fractions in [0, 1]: ``rank1`` … for the protocol's ranks, ``mAP``, ``mINP``, and, with everything of
            the query's camera removed, ``rank1_nd`` and ``mAP_nd`` (left out when no query has a match then). With a
            single gallery shot ``rank1`` … alone. Where the protocol asks for them ``R``, a ratio and no share, and
            ``tpr@fpr=…``, ``fnmr@fmr=…``, ``eer``, ``dir@far=…`` and ``fnir@fpir=…``.
        stamp: The protocol and the counts, in JSON's types; the caller adds the data set.
        queries: The scores of each query in the whole gallery.
        queries_nd: The same with everything of the query's camera removed.
        first_matches: ``(valid queries)`` the ranks that ``rank1`` … count, ``(draws · valid queries)`` with a single
            gallery shot.
        details: What the protocol asks for in addition, in JSON's types: ``roc``, ``camera_pairs``, ``view_pairs``,
            ``open_set``, ``identification`` and ``bootstrap``, with thresholds and intervals.
    """

    def __init__(
        self,
        *,
        scores: dict[str, float],
        stamp: dict[str, object],
        queries: QueryScores,
        first_matches: Int[Tensor, " counted"],
        queries_nd: QueryScores | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        self.scores = scores
        self.stamp = stamp
        self.queries = queries
        self.queries_nd = queries_nd
        self.first_matches = first_matches
        self.details = details or {}

    def __repr__(self) -> str:
        return f"Result(scores={self.scores}, stamp={self.stamp})"


def evaluate(ranker: Ranker, *, chunk: int = 256, distractors: Distractors | None = None) -> Result:
    """CMC, mAP and mINP over the queries that have a match.

    mINP is the mean of matches / rank of the last match.

    Source: CMC and mAP: Zheng et al. 2015, section 5.2; mINP: Ye et al. 2021, equation 13; ``nd``: the embae paper.

    Args:
        ranker: What is ranked, and how it is scored.
        chunk: Queries scored at once; the scores do not depend on it.
        distractors: More of the gallery, of persons whom no query shows, on disk.

    Raises:
        ValueError: no query has a match, or embeddings are not finite.
    """
    if distractors is None:
        queries, queries_nd = score_both(ranker, chunk=chunk)
    else:
        queries, queries_nd = score_streamed(ranker, distractors)
    stamp = protocol_stamp(ranker, queries, queries_nd) | _streamed(ranker.lists, distractors)
    if not queries.valid.any():
        raise InputError(_no_match(ranker.lists, ranker.protocol, queries.cause))
    if ranker.protocol.single_gallery_shot:
        ranks = single_shot_ranks(ranker)[:, queries.valid]
        first, values = ranks.flatten(), {"rank1": (ranks == 1).double().mean(0)}
        scores = _cmc(first, ranker.protocol.ranks)
    else:
        first, precision = queries.first_match[queries.valid], queries.average_precision[queries.valid]
        values = {"rank1": (first == 1).double(), "mAP": precision}
        scores = _whole_gallery(ranker, queries, queries_nd)
    more_scores, records = details(ranker, values)
    return Result(
        scores=scores | more_scores, stamp=stamp, queries=queries, queries_nd=queries_nd, first_matches=first,
        details=records,
    )  # fmt: skip


def _whole_gallery(ranker: Ranker, queries: QueryScores, queries_nd: QueryScores) -> dict[str, float]:
    """The scores of a ranking of the whole gallery."""
    scores = _means(queries, ranker.protocol.ranks)
    if queries_nd.valid.any():
        scores |= {f"{name}{ND}": score for name, score in _means(queries_nd, (1,)).items() if has_nd(name)}
    if ranker.protocol.separation:
        scores["R"] = intra_inter_ratio(ranker)
    return scores


def protocol_stamp(ranker: Ranker, queries: QueryScores, queries_nd: QueryScores) -> dict[str, object]:
    """How the scores came about: conventions and counts, in JSON's types."""
    lists, protocol = ranker.lists, ranker.protocol
    draws = protocol.single_gallery_shot
    kinds = {"absent": ABSENT, "same_camera": SAME_CAMERA}
    if protocol.clothes_rule != "general":
        kinds["clothes"] = CLOTHES
    stamp: dict[str, object] = {
        "ap": "none" if draws else protocol.ap,
        "gallery": f"one image a person, mean of {draws} draws" if draws else "all images",
        "camera_rule": protocol.camera_rule,
        "distance": protocol.distance,
        "feature": protocol.feature,
        "test_time_augmentation": protocol.augmentation,
        "reranking": protocol.rerank.stamp if protocol.rerank else "none",
        "images": {"query": len(lists.query_person), "gallery": len(lists.gallery_person)},
        "junk": lists.junk,
        "distractors": lists.distractors,
        "queries": len(lists.query_person),
        "valid_queries": int(queries.valid.sum()),
        "valid_queries_nd": int(queries_nd.valid.sum()),
        "without_match": {name: int((queries.cause == kind).sum()) for name, kind in kinds.items()},
    }
    if lists.query_clothes is not None:
        stamp["clothes_rule"] = protocol.clothes_rule
    if ranker.rule_by_lists:
        stamp["camera_rule_note"] = f"auto: {'a single camera' if lists.single_camera else 'more than one camera'}"
    if protocol.identification and not ranker.by_neighbours:
        stamp["identification"] = (
            f"{protocol.identification_galleries} random galleries, {protocol.identification_enrolled:.0%} of the"
            f" queries' persons enrolled in each, seed {SEED}"
        )
    if protocol.local is not None:
        stamp["local"] = protocol.local.stamp
    return stamp | _by_neighbours(protocol)


def _by_neighbours(protocol: Protocol) -> dict[str, object]:
    """What expansion and re-ranking add to the stamp."""
    if protocol.expansion is None and protocol.rerank is None:
        return {}
    stamp: dict[str, object] = {"expansion": protocol.expansion.stamp} if protocol.expansion else {}
    stamp["neighbours"] = protocol.search.stamp if protocol.search else "exact"
    return stamp | {"junk_in_neighbour_lists": protocol.junk == "with"}


def _streamed(lists: Lists, distractors: Distractors | None) -> dict[str, object]:
    """What distractors on disk change in the stamp."""
    if distractors is None:
        return {}
    more = len(distractors)
    images = {"query": len(lists.query_person), "gallery": len(lists.gallery_person) + more}
    return {"images": images, "distractors": lists.distractors + more, "streamed": more}


def _means(queries: QueryScores, ranks: Sequence[int]) -> dict[str, float]:
    """Means over the valid queries."""
    valid = queries.valid
    scores = _cmc(queries.first_match[valid], ranks)
    scores["mAP"] = queries.average_precision[valid].mean().item()
    scores["mINP"] = queries.inverse_negative_penalty[valid].mean().item()
    return scores


def _cmc(first: Int[Tensor, " counted"], ranks: Sequence[int]) -> dict[str, float]:
    return {f"rank{rank}": (first <= rank).double().mean().item() for rank in ranks}


def check_matches(lists: Lists, protocol: Protocol) -> None:
    """Raise InputError where no query can have a match; needs no embedding, so that it can come before a training."""
    check_marks(lists, protocol)
    protocol = replace(protocol, camera_rule=lists.rule(protocol))
    cause = causes(lists, protocol)
    if len(cause) and not (cause == FOUND).any():
        raise InputError(_no_match(lists, protocol, cause))


def causes(lists: Lists, protocol: Protocol) -> Int[Tensor, " queries"]:
    """FOUND for each query that has a match, else why it has none; by labels alone.

    Args:
        lists: Person and camera of all images, and the clothes where they are compared.
        protocol: Its camera rule is resolved.
    """
    columns, causes = Columns(lists), []
    for start in range(0, len(lists.query_person), BLOCK):
        asked = lists.asked(slice(start, start + BLOCK))
        place, shown = columns.of_person(asked.person)
        by_camera = shown & ~columns.removed(place, asked, replace(protocol, clothes_rule="general"))
        kept = by_camera & ~columns.removed_by_clothes(place, asked, protocol)
        causes.append(torch.where(kept.any(1), FOUND, cause_of(shown.any(1), by_camera.any(1))))
    return torch.cat(causes) if causes else torch.zeros(0, dtype=torch.int64)


def _no_match(lists: Lists, protocol: Protocol, cause: Int[Tensor, " queries"]) -> str:
    """The message for an evaluation in which no query has a match."""
    reasons = {
        ABSENT: "not in the gallery",
        SAME_CAMERA: "in the gallery only under the query's camera",
        CLOTHES: "in the gallery only in clothes that are removed",
    }
    lost = {kind: int((cause == kind).sum()) for kind in reasons}
    first = cause.argsort(descending=True, stable=True)[:EXAMPLES]
    examples = "; ".join(
        f"query {row} (person {lists.query_person[row]}, c{lists.query_camera[row] + 1}) is {reasons[kind]}"
        for row, kind in zip(first.tolist(), cause[first].tolist(), strict=True)
    )
    cure = "query and gallery share no person: check the lists of the data set (dataset.root)"
    if lost[SAME_CAMERA]:
        cure = "set camera_rule=any_camera to count matches under the query's own camera"
    if lost[CLOTHES]:
        cure = "set clothes_rule=general to count matches in all clothes"
    rules = f"camera_rule={protocol.camera_rule}"
    worn = ""
    if protocol.clothes_rule != "general":
        rules += f", clothes_rule={protocol.clothes_rule}"
        worn = f", {lost[CLOTHES]} one who is there only in clothes that the rule removes"
    return (
        f"{rules}: no query has a match; of {counted(len(cause), 'query', 'queries')}, "
        f"{counted(lost[ABSENT], 'shows', 'show')} a person who is not in the gallery and {lost[SAME_CAMERA]} "
        f"one who is there only under the same camera, which the rule removes{worn} ({examples}); {cure}"
    )
