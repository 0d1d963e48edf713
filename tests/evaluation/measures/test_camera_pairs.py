from dataclasses import replace

import pytest
import torch

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate


def pairs_of(query, gallery, lists, **words):
    pairs = evaluate(Ranker(query, gallery, lists, Protocol(camera_pairs=True, **words))).details["camera_pairs"]
    return {(pair.pop("query"), pair.pop("gallery")): pair for pair in pairs}


def filtered(query, gallery, lists, query_camera, gallery_camera):
    """The queries of one camera and the gallery images of one camera."""
    asked, shown = lists.query_camera == query_camera, lists.gallery_camera == gallery_camera
    sides = (
        lists.query_person[asked],
        lists.query_camera[asked],
        lists.gallery_person[shown],
        lists.gallery_camera[shown],
    )
    return query[asked], gallery[shown], Lists(*sides)


@pytest.mark.parametrize("ap", ["step", "trapezoid", "sklearn"])
@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
def test_equals_the_evaluation_of_filtered_lists(rule, ap, oracle):
    case = oracle.random_case(queries=600, ties=True)  # more than a block
    pairs = pairs_of(*case, camera_rule=rule, ap=ap)
    numbers = [(one, other) for one in range(3) for other in range(3) if one != other or rule == "any_camera"]
    assert set(pairs) == {(f"c{one + 1}", f"c{other + 1}") for one, other in numbers}
    for one, other in numbers:
        alone = evaluate(Ranker(*filtered(*case, one, other), Protocol(camera_rule=rule, ap=ap)))
        assert pairs[f"c{one + 1}", f"c{other + 1}"] == {
            "queries": alone.stamp["valid_queries"],
            "rank1": pytest.approx(alone.scores["rank1"], abs=1e-12),
            "mAP": pytest.approx(alone.scores["mAP"], abs=1e-12),
        }


def test_pairs_add_up_to_the_whole_where_each_query_has_one(oracle):
    query, gallery, lists = oracle.random_case(queries=50, cameras=2)
    lists = replace(lists, gallery_camera=torch.ones(90).long(), query_camera=torch.arange(50) % 2 * 2)
    whole, pairs = evaluate(Ranker(query, gallery, lists, Protocol())), pairs_of(query, gallery, lists)
    assert set(pairs) == {("c1", "c2"), ("c3", "c2")}
    queries = sum(pair["queries"] for pair in pairs.values())
    assert queries == whole.stamp["valid_queries"]
    for name in ("rank1", "mAP"):
        mean = sum(pair["queries"] * pair[name] for pair in pairs.values()) / queries
        assert mean == pytest.approx(whole.scores[name], abs=1e-12)


def test_a_single_camera_is_paired_with_itself(oracle):
    query, gallery, lists = oracle.random_case(cameras=1)
    whole = evaluate(Ranker(query, gallery, lists, Protocol(camera_rule="auto")))
    ((names, pair),) = pairs_of(query, gallery, lists, camera_rule="auto").items()
    assert names == ("c1", "c1")
    assert pair["rank1"] == whole.scores["rank1"]
    assert pair["mAP"] == whole.scores["mAP"]


def test_pairs_without_a_query_that_has_a_match_are_left_out():
    lists = Lists(  # person 1 is under camera 3 too, where only a stranger asks
        torch.tensor([1, 9]), torch.tensor([0, 2]), torch.tensor([1, 1, 2, -1]), torch.tensor([1, 2, 3, 4])
    )
    pairs = pairs_of(torch.zeros(2, 1), torch.arange(4.0)[:, None], lists)
    assert pairs == {names: {"queries": 1, "rank1": 1.0, "mAP": 1.0} for names in (("c1", "c2"), ("c1", "c3"))}
