from dataclasses import replace

import pytest
import torch

from reid_lit.evaluation import ranker as module
from reid_lit.evaluation.distance import joined, pairwise_distance
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.single_shot import single_shot_ranks
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.graph import GraphRerank
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.neighbours.search import FaissSearch
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker, check_images
from reid_lit.evaluation.ranking import score_queries
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.top import top
from reid_lit.records import JUNK

RERANK = KReciprocal(k1=8, k2=3)
RERANKED = Protocol(rerank=RERANK)


@pytest.fixture
def case(oracle):
    query, gallery, lists = oracle.random_case(queries=30, gallery=120)
    return query.float(), gallery.float(), lists


def without_junk(case):
    query, gallery, lists = case
    kept = lists.gallery_person != JUNK
    person, camera = lists.gallery_person[kept], lists.gallery_camera[kept]
    return query, gallery[kept], replace(lists, gallery_person=person, gallery_camera=camera)


def whole(query, gallery, lists, protocol):
    return torch.cat([block.clone() for _, block in Ranker(query, gallery, lists, protocol)])


def test_a_plain_protocol_gives_the_plain_distances(case):
    query, gallery, _ = without_junk(case)
    for kind in ("euclidean", "cosine"):
        assert torch.equal(whole(*case, Protocol(distance=kind)), pairwise_distance(query, gallery, kind))


@pytest.mark.parametrize("rerank", [RERANK, GraphRerank(k1=8, k2=3)], ids=lambda rerank: rerank.stamp)
def test_junk_is_no_neighbour_unless_asked_for(case, rerank):
    query, gallery, lists = case
    protocol, kept = Protocol(rerank=rerank, distance="cosine"), lists.gallery_person != JUNK
    query, gallery = torch.nn.functional.normalize(query), torch.nn.functional.normalize(gallery)
    without, with_junk = rerank.blocks(query, gallery[kept]).block(0), rerank.blocks(query, gallery).block(0)[:, kept]
    torch.testing.assert_close(whole(*case, protocol), without)
    torch.testing.assert_close(whole(*case, replace(protocol, junk="with")), with_junk)
    assert (without - with_junk).abs().max() > 1e-3


def test_the_scores_are_those_of_the_reranked_distances(oracle, case):
    query, gallery, lists = without_junk(case)
    expected = oracle.score(RERANK.blocks(query, gallery).block(0), lists, "step", "cross_camera")
    scores = score_queries(Ranker(*case, RERANKED))
    ours = zip(scores.first_match.tolist(), scores.average_precision.tolist(), strict=True)
    assert list(ours) == [(row[0], pytest.approx(row[2], nan_ok=True)) for row in expected]
    assert scores.first_match.tolist() != score_queries(Ranker(*case, Protocol())).first_match.tolist()


def test_expansion_comes_first(case):
    query, gallery, _ = without_junk(case)
    expansion = Expansion(k=4)
    expected = RERANK.blocks(*expansion(query, gallery)).block(0)
    torch.testing.assert_close(whole(*case, Protocol(expansion=expansion, rerank=RERANK)), expected)
    expected = pairwise_distance(*expansion(query, gallery))
    torch.testing.assert_close(whole(*case, Protocol(expansion=expansion)), expected)


def test_ones_own_neighbour_search(case):
    pytest.importorskip("faiss")
    found = whole(*case, replace(RERANKED, search=FaissSearch(kind="flat")))
    torch.testing.assert_close(found, whole(*case, RERANKED))


@pytest.mark.parametrize(
    "protocol", [Protocol(), RERANKED, replace(RERANKED, junk="with")], ids=["plain", "without", "with"]
)
def test_pictures_show_what_the_scores_are_of(case, protocol):
    scores, nearest = score_queries(Ranker(*case, protocol)), top(Ranker(*case, protocol), k=200)
    first = torch.where(nearest.match.any(1), 1 + nearest.match.byte().argmax(1), 0)
    assert torch.equal(first, scores.first_match)
    shown = top(Ranker(*case, protocol), k=200, keep_junk=True)
    junk = case[2].gallery_person[shown.gallery] == JUNK
    assert bool((junk & (shown.gallery >= 0)).any()) == (protocol.rerank is None or protocol.junk == "with")
    for row in range(len(shown.rows)):
        left = shown.gallery[row][(shown.gallery[row] >= 0) & ~shown.removed[row]]
        assert left.tolist() == nearest.gallery[row][nearest.gallery[row] >= 0].tolist()


def test_reranking_is_done_once(monkeypatch, case):
    calls = []
    blocks = KReciprocal.blocks
    monkeypatch.setattr(
        KReciprocal, "blocks", lambda *args, **settings: (calls.append(1), blocks(*args, **settings))[1]
    )
    query, gallery, lists = case
    metric = RetrievalScores(queries=len(query), protocol=replace(RERANKED, roc=[0.1]))
    person = torch.cat([lists.query_person, lists.gallery_person])
    camera = torch.cat([lists.query_camera, lists.gallery_camera])
    metric.update(torch.cat([query, gallery]), person, camera, torch.arange(len(person)))
    result = metric.compute()
    top(metric.ranker)
    assert result.scores == evaluate(Ranker(*case, metric.protocol)).scores
    assert len(calls) == 2


def test_nothing_is_compared_before_a_distance_is_asked_for(monkeypatch, case):
    calls = []
    blocks = KReciprocal.blocks
    monkeypatch.setattr(KReciprocal, "blocks", lambda *args, **settings: calls.append(1) or blocks(*args, **settings))
    ranker = Ranker(*case, RERANKED)
    assert calls == []
    first, again = ranker.block(0).clone(), ranker.block(0)
    assert calls == [1]
    assert torch.equal(first, again)


def test_single_shots_are_of_the_reranked_distances(case):
    protocol = replace(RERANKED, single_gallery_shot=5, camera_rule="any_camera")
    plain = replace(protocol, rerank=None)
    assert not torch.equal(single_shot_ranks(Ranker(*case, protocol)), single_shot_ranks(Ranker(*case, plain)))
    assert evaluate(Ranker(*case, protocol)).scores["rank1"] > 0


def test_the_stamp_says_all_of_it(case):
    stamp = evaluate(Ranker(*case, replace(RERANKED, expansion=Expansion(), junk="with"))).stamp
    assert stamp["reranking"] == RERANK.stamp
    assert stamp["expansion"] == Expansion().stamp
    assert (stamp["neighbours"], stamp["junk_in_neighbour_lists"]) == ("exact", True)
    assert not evaluate(Ranker(*case, Protocol())).stamp.keys() & {"expansion", "neighbours", "junk_in_neighbour_lists"}


@pytest.mark.parametrize(
    "protocol", [Protocol(), RERANKED, Protocol(expansion=Expansion()), Protocol(rerank=GraphRerank())]
)
def test_a_limit_that_cannot_be_met_is_refused_before_work_starts(monkeypatch, case, protocol):
    monkeypatch.setattr(module, "DistanceBlocks", None)
    monkeypatch.setattr("reid_lit.evaluation.neighbours.exact._Search", None)
    with pytest.raises(ValueError, match=r"^memory_limit_gb=1e-06: .* needs 0\.\d GB"):
        Ranker(*case, replace(protocol, memory_limit_gb=1e-6)).block(0)


@pytest.mark.parametrize("limit", [0, -1.0])
def test_no_limit_of_nothing(limit):
    with pytest.raises(ValueError, match="give GB above 0, null for no limit"):
        Protocol(memory_limit_gb=float(limit))


def test_neighbours_in_memory_are_joined_without_a_copy():
    both = torch.randn(7, 3)
    assert joined(both[:2], both[2:]).data_ptr() == both.data_ptr()
    for query, gallery in (
        (both[:2], both[3:]),
        (both[2:], both[:2]),
        (both[:2], both[2:].clone()),
        (both[:2, :2], both[2:, :2]),
    ):
        assert torch.equal(joined(query, gallery), torch.cat([query, gallery]))


@pytest.mark.parametrize(
    ("name", "part", "least"),
    [("rerank", KReciprocal(k1=20), 21), ("rerank", GraphRerank(k1=26), 26), ("expansion", Expansion(k=40), 40)],
)
def test_lists_longer_than_there_are_images_are_refused_by_labels_alone(name, part, least):
    person, camera = torch.zeros(10, dtype=torch.int64), torch.zeros(10, dtype=torch.int64)
    junk = torch.full((4,), JUNK)
    lists = Lists(person, camera, torch.cat([person[:6], junk]), camera)
    with pytest.raises(ValueError, match=rf"^k1?=\d+: lists of {least} images cannot be made of 16.* set {name}=null"):
        check_images(lists, Protocol(**{name: part}))
    part = {"rerank": KReciprocal(k1=15), "expansion": Expansion(k=16)}[name]
    check_images(lists, Protocol(**{name: part}))
