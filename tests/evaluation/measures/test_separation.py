import math

import pytest
import torch

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.separation import intra_inter_ratio
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate


def loop(query, gallery, lists, *, unit):
    """R as a double loop over all pairs of images of persons that a query shows."""
    asked = set(lists.query_person.tolist())
    images = list(zip(query.tolist(), lists.query_person.tolist(), strict=True))
    images += [(e, p) for e, p in zip(gallery.tolist(), lists.gallery_person.tolist(), strict=True) if p in asked]
    if unit:
        images = [([x / math.hypot(*e) for x in e], p) for e, p in images]
    within, between = [], []
    for i, (one, person) in enumerate(images):
        for other, name in images[:i]:
            (within if person == name else between).append(math.dist(one, other))
    return (sum(within) / len(within)) / (sum(between) / len(between))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("queries", [23, 600])  # less and more than a block
def test_equals_the_double_loop(distance, queries, oracle):
    query, gallery, lists = oracle.random_case(queries=queries)
    query += torch.nn.functional.one_hot(lists.query_person, 6)[:, :4]
    ratio = intra_inter_ratio(Ranker(query, gallery, lists, Protocol(distance=distance)))
    assert ratio == pytest.approx(loop(query, gallery, lists, unit=distance == "cosine"), rel=1e-9)


def test_is_given_when_asked_for(oracle):
    case = oracle.random_case()
    protocol = Protocol(separation=True)
    assert evaluate(Ranker(*case, protocol)).scores["R"] == intra_inter_ratio(Ranker(*case, protocol))
    assert "R" not in evaluate(Ranker(*case, Protocol())).scores


def test_one_person_has_no_ratio():
    lists = Lists(torch.tensor([1]), torch.tensor([0]), torch.tensor([1, 2]), torch.tensor([1, 1]))
    with pytest.raises(
        ValueError, match=r"^separation=true: .* two persons, the test has 2 images of 1 person; set separation=false"
    ):
        intra_inter_ratio(Ranker(torch.rand(1, 3), torch.rand(2, 3), lists, Protocol()))
