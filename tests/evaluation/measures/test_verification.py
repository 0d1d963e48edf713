import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from sklearn.metrics import roc_curve

from reid_lit.evaluation.distance import BLOCK, pairwise_distance
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures import details
from reid_lit.evaluation.measures.details import measured
from reid_lit.evaluation.measures.verification import _distance, _key
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker

RATES = (0.3, 0.1, 0.02)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
    ),
]


class Known:
    """Distances that are known, in the place of a re-ranking."""

    stamp = "known"

    def __init__(self, distance):
        self.distance = distance

    def needed(self, images, dim, columns):
        return 0

    def blocks(self, query, gallery, **_):
        return self

    def block(self, start):
        return self.distance[start : start + BLOCK]


def verify(distance, lists, protocol):
    """Scores and details of the distances to the gallery, junk and all."""
    query, gallery = (distance.new_zeros(size, 1) for size in distance.shape)
    protocol = replace(protocol, rerank=Known(distance), junk="with")
    scores, found = measured(Ranker(query, gallery, lists, protocol), protocol, torch.zeros(0).long())
    return scores, found["roc"]


def pairs(distance, lists, oracle, rule):
    """Whether each pair that counts is genuine, and its distance in float32, by a double loop."""
    genuine, values = [], []
    persons, rows = lists.gallery_person.tolist(), distance.float().tolist()
    for row, person in enumerate(lists.query_person.tolist()):
        for index in oracle.kept(lists, row, rule):
            genuine.append(person == persons[index])
            values.append(rows[row][index])
    return np.array(genuine), np.array(values)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
def test_equals_scikit_learn_over_all_pairs(rule, ties, device, oracle, monkeypatch):
    monkeypatch.setattr(details, "VALUES", 1000)  # several parts a block
    query, gallery, lists = oracle.random_case(queries=600, ties=ties)
    query[: 3 * 90] += torch.nn.functional.one_hot(lists.query_person[: 3 * 90], 6)[:, :4]
    distance = pairwise_distance(query, gallery)
    scores, found = verify(distance.to(device), lists, Protocol(camera_rule=rule, roc=RATES))
    genuine, values = pairs(distance, lists, oracle, rule)
    fpr, tpr, _ = roc_curve(genuine, -values, drop_intermediate=False)
    assert found["genuine_pairs"] == genuine.sum()
    assert found["impostor_pairs"] == (~genuine).sum()
    for rate, point in zip(RATES, found["points"], strict=True):
        assert point["fpr"] == rate
        assert scores[f"tpr@fpr={rate:g}"] == point["tpr"] == pytest.approx(tpr[fpr <= rate].max(), abs=1e-12)
        if point["threshold"] is None:
            assert point["tpr"] == 0
            continue
        accepted = values <= point["threshold"]
        assert accepted[genuine].mean() == pytest.approx(point["tpr"], abs=1e-12)
        assert accepted[~genuine].mean() == pytest.approx(point["measured"], abs=1e-12)
        following = values[values > point["threshold"]].min()
        assert (values[~genuine] <= following).mean() > rate  # the next distance would let too many through
    equal = brentq(lambda rate: 1 - rate - np.interp(rate, fpr, tpr), 0, 1)
    assert scores["eer"] == found["eer"]["rate"] == pytest.approx(equal, abs=1e-9)
    threshold = found["eer"]["threshold"]
    assert (values[~genuine] <= threshold).mean() >= (values[genuine] > threshold).mean()
    assert (values[~genuine] < threshold).mean() < (values[genuine] >= threshold).mean()


def test_thresholds_of_a_known_law_are_within_two_percent():
    generator = torch.Generator().manual_seed(0)
    persons, spread = 40, 0.2
    lists = Lists(
        torch.arange(1000) % persons, torch.zeros(1000).long(), torch.arange(2000) % persons, torch.ones(2000).long()
    )
    mean = torch.where(lists.query_person[:, None] == lists.gallery_person, 1.0, 2.0)
    distance = mean + spread * torch.randn(1000, 2000, generator=generator)
    scores, found = verify(distance, lists, Protocol(roc=[1e-1, 1e-2, 1e-3, 1e-4]))
    for point in found["points"]:
        threshold = NormalDist(2, spread).inv_cdf(point["fpr"])
        assert point["threshold"] == pytest.approx(threshold, rel=0.02)
        assert point["tpr"] == pytest.approx(NormalDist(1, spread).cdf(threshold), abs=0.02)
    assert found["eer"]["threshold"] == pytest.approx(1.5, rel=0.02)
    assert scores["eer"] == pytest.approx(NormalDist().cdf(-2.5), abs=1e-3)


def line(*distances, persons):
    """One query of person 0 and a gallery at given distances."""
    lists = Lists(torch.tensor([0]), torch.tensor([0]), torch.tensor(persons), torch.ones(len(persons)).long())
    return torch.tensor([distances]), lists


def test_a_rate_below_one_impostor_is_not_made_up():
    scores, found = verify(*line(1.0, 2.0, 3.0, 4.0, persons=[0, 1, 2, 3]), Protocol(roc=[0.01, 1 / 3]))
    third, hundredth = found["points"]
    assert (third["tpr"], third["threshold"], third["measured"]) == (1.0, 2.0, 1 / 3)
    assert hundredth == {
        "fpr": 0.01,
        "tpr": None,
        "threshold": None,
        "reason": "3 impostors cannot show a rate of 0.01",
    }
    assert set(scores) == {f"tpr@fpr={1 / 3:g}", f"fnmr@fmr={1 / 3:g}", "eer"}


def test_nothing_is_accepted_where_the_nearest_are_tied_impostors():
    scores, found = verify(*line(2.0, 1.0, 1.0, 3.0, persons=[0, 1, 2, 3]), Protocol(roc=[0.4]))
    assert scores["tpr@fpr=0.4"] == 0
    assert found["points"][0]["threshold"] is None


@pytest.mark.parametrize(
    ("persons", "reason"), [([0, 0], "0 impostors cannot show a rate of 0.5"), ([1, 2], "none genuine")]
)
def test_pairs_of_one_kind_alone_have_no_rates(persons, reason):
    scores, found = verify(*line(1.0, 2.0, persons=persons), Protocol(roc=[0.5]))
    assert scores == {}
    assert found["points"][0]["reason"] == reason
    assert "eer" not in found
    assert found["det"] == []


@pytest.mark.parametrize("ties", [False, True])
def test_the_det_curve_has_the_rates_of_its_thresholds(ties, oracle):
    query, gallery, lists = oracle.random_case(queries=200, ties=ties)
    distance = pairwise_distance(query, gallery)
    scores, found = verify(distance, lists, Protocol(roc=RATES))
    genuine, values = pairs(distance, lists, oracle, "cross_camera")
    assert 2 < len(found["det"]) <= 200
    for point in found["det"]:
        accepted = values <= point["threshold"]
        assert point["fmr"] == pytest.approx(accepted[~genuine].mean(), abs=1e-12)
        assert point["fnmr"] == pytest.approx(1 - accepted[genuine].mean(), abs=1e-12)
    assert found["det"][-1]["fmr"] == 1
    for rate in RATES:
        assert scores[f"fnmr@fmr={rate:g}"] == pytest.approx(1 - scores[f"tpr@fpr={rate:g}"])


def test_apart_persons_have_no_error():
    scores, found = verify(*line(1.0, 2.0, 3.0, 4.0, persons=[0, 0, 1, 2]), Protocol(roc=[0.5]))
    assert scores == {"tpr@fpr=0.5": 1.0, "fnmr@fmr=0.5": 0.0, "eer": 0.0}
    assert found["eer"]["threshold"] == 2.0


def test_keys_keep_the_order_of_distances_and_give_them_back():
    values = torch.tensor([-math.inf, -2.5, -1e-30, -0.0, 0.0, 1e-40, 1e-3, 1.0, 1.0000001, 3e38, math.inf])
    keys = _key(values)
    assert torch.equal(_distance(keys), values)
    assert (keys.diff() >= 0).all()
    assert torch.equal(keys.diff() == 0, values.diff() == 0)
