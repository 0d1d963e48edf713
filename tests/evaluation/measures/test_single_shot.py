import math

import pytest
import torch

from reid_lit.evaluation.distance import pairwise_distance
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.single_shot import single_shot_ranks
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import score_queries
from reid_lit.evaluation.scores import evaluate
from reid_lit.records import Rules

CLASSIC = Protocol(single_gallery_shot=10, ranks=[1, 3])


def expected_rank1(distance, lists, row, kept):
    """The chance that the query's person is nearest when one image of each person is drawn, by enumeration."""
    images = {}
    for index in kept:
        images.setdefault(lists.gallery_person[index].item(), []).append(distance[row, index].item())
    own = images.pop(lists.query_person[row].item(), [])
    chances = [math.prod(sum(d > near for d in other) / len(other) for other in images.values()) for near in own]
    return sum(chances) / len(own) if own else math.nan


@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
def test_many_draws_approach_the_expectation_by_enumeration(rule, oracle):
    query, gallery, lists = oracle.random_case()
    protocol = Protocol(camera_rule=rule, single_gallery_shot=4000)
    distance = pairwise_distance(query, gallery)
    ranks = single_shot_ranks(Ranker(query, gallery, lists, protocol))
    assert ranks.shape == (4000, len(query))
    for row in range(len(query)):
        wanted = expected_rank1(distance, lists, row, oracle.kept(lists, row, rule))
        if math.isnan(wanted):
            assert not ranks[:, row].any()
        else:
            assert (ranks[:, row] == 1).double().mean() == pytest.approx(wanted, abs=4 * 0.5 / 4000**0.5)


def test_one_image_a_person_is_the_plain_ranking(oracle):
    query, gallery, _ = oracle.random_case(queries=20, gallery=20)
    lists = Lists(torch.arange(20), torch.zeros(20).long(), torch.arange(20).flip(0), torch.ones(20).long())
    plain = score_queries(Ranker(query, gallery, lists, Protocol())).first_match
    assert all(torch.equal(ranks, plain) for ranks in single_shot_ranks(Ranker(query, gallery, lists, CLASSIC)))


def test_ties_are_ranked_in_the_gallerys_order():
    embedding = torch.zeros(4, 2)
    lists = Lists(torch.tensor([2]), torch.tensor([0]), torch.tensor([1, 3, 2, 0]), torch.ones(4).long())
    assert single_shot_ranks(Ranker(embedding[:1], embedding, lists, CLASSIC)).flatten().tolist() == [3] * 10


def test_draws_repeat_and_differ(oracle):
    case = oracle.random_case(queries=700)  # more than a block
    ranks = single_shot_ranks(Ranker(*case, CLASSIC))
    assert torch.equal(ranks, single_shot_ranks(Ranker(*case, CLASSIC)))
    assert not torch.equal(ranks[0], ranks[1])


def test_classic_scores_are_a_cmc_without_map(oracle):
    case = oracle.random_case()
    result = evaluate(Ranker(*case, CLASSIC))
    assert set(result.scores) == {"rank1", "rank3"}
    valid = result.queries.valid
    ranks = single_shot_ranks(Ranker(*case, CLASSIC))[:, valid].double()
    for k in (1, 3):
        assert result.scores[f"rank{k}"] == pytest.approx((ranks <= k).double().mean(dim=1).mean().item())
    assert result.stamp["gallery"] == "one image a person, mean of 10 draws"
    assert result.stamp["ap"] == "none"
    assert len(result.first_matches) == 10 * int(valid.sum())
    assert evaluate(Ranker(*case, Protocol())).stamp["gallery"] == "all images"


def test_a_data_sets_rules_win_over_the_evaluation():
    assert Protocol(ap="trapezoid").under(Rules()) == Protocol(ap="trapezoid")
    assert Protocol(ap="trapezoid").under(Rules(ap="sklearn")).ap == "sklearn"
    assert Protocol().under(Rules(single_gallery_shot=10)).single_gallery_shot == 10
    assert Protocol().under(Rules(camera_rule="any_camera")).camera_rule == "any_camera"
    with pytest.raises(ValueError, match=r"^single_gallery_shot=-1: give"):
        Protocol(single_gallery_shot=-1)
