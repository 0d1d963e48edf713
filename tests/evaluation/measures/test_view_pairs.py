"""Scores by pair of views against a double loop over queries and gallery images."""

from dataclasses import replace

import pytest
import torch

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.view_pairs import ViewPairs
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import check_matches, evaluate
from reid_lit.evaluation.streaming import check_streamable
from reid_lit.records import Shot

NAMES = ("back", "front", "side")


@pytest.fixture(scope="module")
def case(oracle):
    """Forty queries and a gallery of three views; junk has no view."""
    query, gallery, lists = oracle.random_case(queries=40)
    generator = torch.Generator().manual_seed(5)
    views = [torch.randint(0, 3, (len(side),), generator=generator) for side in (query, gallery)]
    views[1][lists.gallery_person == -1] = -1
    lists = replace(lists, query_view=views[0], gallery_view=views[1], views=NAMES)
    return query.float(), gallery.float(), lists


def by_loops(distance, lists, allowed, camera_rule):
    """Number, rank-1 and mAP of the queries: each ranks the gallery images that ``allowed(query, image)`` keeps."""
    first, precision = [], []
    person, camera = lists.gallery_person.tolist(), lists.gallery_camera.tolist()
    for q, (row, who, seen) in enumerate(
        zip(distance.tolist(), lists.query_person.tolist(), lists.query_camera.tolist(), strict=True)
    ):
        ranked = []
        for g in sorted(range(len(row)), key=lambda g, row=row: (row[g], g)):
            removed = person[g] == who and camera[g] == seen and camera_rule == "cross_camera"
            if person[g] != -1 and not removed and allowed(q, g):
                ranked.append(person[g] == who)
        ranks = [rank for rank, match in enumerate(ranked, 1) if match]
        if ranks:
            first.append(ranks[0] == 1)
            precision.append(sum(hits / rank for hits, rank in enumerate(ranks, 1)) / len(ranks))
    if not first:
        return None
    rank1, mean = (pytest.approx(sum(values) / len(values), abs=1e-12) for values in (first, precision))
    return {"queries": len(first), "rank1": rank1, "mAP": mean}


@pytest.mark.parametrize("words", [{}, {"rerank": KReciprocal(k1=6, k2=3, lambda_value=0.3, variant="reference")}])
@pytest.mark.parametrize("camera_rule", ["cross_camera", "any_camera"])
def test_pairs_same_and_other_views_are_those_of_a_double_loop(case, camera_rule, words):
    query, gallery, lists = case
    ranker = Ranker(query, gallery, lists, Protocol(camera_rule=camera_rule, view_pairs=True, **words))
    distance = torch.full((len(query), len(gallery)), torch.inf)
    distance[:, ranker.columns.index] = ranker.block(0)
    found = evaluate(ranker).details["view_pairs"]
    asked, shown = lists.query_view.tolist(), lists.gallery_view.tolist()
    assert found["same"] == by_loops(distance, lists, lambda q, g: asked[q] == shown[g], camera_rule)
    assert found["other"] == by_loops(distance, lists, lambda q, g: asked[q] != shown[g], camera_rule)
    expected = []
    for one in range(3):
        for other in range(3):
            pair = by_loops(
                distance, lists, lambda q, g, one=one, other=other: (asked[q], shown[g]) == (one, other), camera_rule
            )
            if pair:
                expected.append({"query": NAMES[one], "gallery": NAMES[other]} | pair)
    assert found["pairs"] == expected
    assert len(expected) > 6


def test_the_scores_are_those_without_it_and_seen_in_pieces(case):
    query, gallery, lists = case
    with_views = evaluate(Ranker(query, gallery, lists, Protocol(view_pairs=True)))
    assert with_views.scores == evaluate(Ranker(query, gallery, lists, Protocol())).scores
    ranker = Ranker(query, gallery, lists, Protocol())
    seen = ViewPairs(ranker)
    for start in range(0, 40, 7):
        seen.see(slice(start, min(start + 7, 40)), ranker.block(0)[start : start + 7].clone())
    assert seen.result()[1] == with_views.details["view_pairs"]


def test_views_that_no_query_has_a_match_in_are_left_out():
    shots = [Shot("q", 1, 0, view="front"), Shot("a", 1, 1, view="front"), Shot("b", 2, 1, view="back")]
    lists = Lists.of(shots[:1], shots[1:])
    assert lists.views == ("back", "front")
    found = evaluate(Ranker(torch.zeros(1, 1), torch.tensor([[2.0], [1.0]]), lists, Protocol(view_pairs=True)))
    one = {"queries": 1, "rank1": 1.0, "mAP": 1.0}
    assert found.scores["rank1"] == 0
    assert found.details["view_pairs"] == {"same": one, "pairs": [{"query": "front", "gallery": "front"} | one]}


def test_views_that_are_compared_must_be_known_and_few(case):
    query, gallery, lists = case
    plain = replace(lists, query_view=None, gallery_view=None, views=())
    protocol = Protocol(view_pairs=True)
    with pytest.raises(ValueError, match="no image of this test has known views; name them in the column view"):
        Ranker(query, gallery, plain, protocol)
    with pytest.raises(ValueError, match="view_pairs=true: the lists have no views"):
        ViewPairs(Ranker(query, gallery, plain, Protocol()))
    unknown = lists.gallery_view.clone()
    unknown[int((lists.gallery_person != -1).nonzero()[0])] = -1
    with pytest.raises(
        ValueError, match=r"1 gallery image has no known view, the first at \[\d+\]; .*view_pairs=false"
    ):
        check_matches(replace(lists, gallery_view=unknown), protocol)
    check_matches(replace(lists, gallery_view=unknown), Protocol())
    with pytest.raises(ValueError, match=r"37 views \('0', '1', '2' …\); name a few directions"):
        check_matches(replace(lists, views=tuple(map(str, range(37)))), protocol)
    with pytest.raises(ValueError, match="tracks=mean and view_pairs: it compares single images"):
        replace(protocol, tracks="mean")
    with pytest.raises(
        ValueError, match="view_pairs and distractors on disk: a pair of views has a gallery of its own"
    ):
        check_streamable(protocol)
