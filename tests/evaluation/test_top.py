import pytest
import torch

from reid_lit.evaluation.distance import pairwise_distance
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import score_queries
from reid_lit.evaluation.top import top


@pytest.mark.parametrize("ties", [False, True])
def test_top_is_the_ranking_of_the_scores(oracle, ties):
    query, gallery, lists = oracle.random_case(ties=ties)
    protocol = Protocol()
    nearest = top(Ranker(query, gallery, lists, protocol), k=200)
    scores = score_queries(Ranker(query, gallery, lists, protocol))
    distance = pairwise_distance(query, gallery)
    for row in range(len(query)):
        kept = oracle.kept(lists, row, "cross_camera")
        order = sorted(kept, key=lambda index: (distance[row, index].item(), index))
        assert nearest.gallery[row].tolist() == order + [-1] * (200 - len(order))
        assert nearest.distance[row, : len(order)].tolist() == pytest.approx([distance[row, i].item() for i in order])
        assert nearest.distance[row, len(order) :].isinf().all()
        hits = nearest.match[row].nonzero().flatten() + 1
        assert scores.first_match[row] == (hits[0] if len(hits) else 0)
    assert not nearest.removed.any()


def test_rows_keep_their_order_across_blocks(oracle):
    query, gallery, lists = oracle.random_case(queries=1100)
    rows = torch.tensor([1050, 3, 700, 2])
    chosen, all_rows = (top(Ranker(query, gallery, lists, Protocol()), k=5, rows=rows) for rows in (rows, None))
    assert torch.equal(chosen.rows, rows)
    assert torch.equal(chosen.gallery, all_rows.gallery[rows])
    assert torch.equal(chosen.distance, all_rows.distance[rows])


def test_keep_junk_marks_what_the_protocol_removes(oracle):
    query, gallery, lists = oracle.random_case(junk=0.3)
    nearest = top(Ranker(query, gallery, lists, Protocol()), k=len(gallery), keep_junk=True)
    assert (nearest.gallery >= 0).all()
    for row in range(len(query)):
        kept = oracle.kept(lists, row, "cross_camera")
        assert sorted(nearest.gallery[row][~nearest.removed[row]].tolist()) == kept
    assert not (nearest.removed & nearest.match).any()
