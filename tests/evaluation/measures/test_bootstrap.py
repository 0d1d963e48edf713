import pytest
import torch
from scipy.stats import binom

from reid_lit.evaluation.measures.bootstrap import intervals
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate


def test_shares_have_the_binomials_interval():
    right = torch.arange(400) % 4 == 0  # resampling draws from Binomial(400, 1/4)
    low, high = intervals({"rank1": right.double()}, resamples=20000)["rank1"]
    assert low == pytest.approx(binom.ppf(0.025, 400, 0.25) / 400, abs=0.003)
    assert high == pytest.approx(binom.ppf(0.975, 400, 0.25) / 400, abs=0.003)


def test_more_queries_narrow_it_by_the_root():
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(6400, generator=generator).double()
    few, many = (intervals({"mAP": values[:size]}, resamples=2000)["mAP"] for size in (400, 6400))
    assert (few[1] - few[0]) / (many[1] - many[0]) == pytest.approx(4, rel=0.15)


def test_equal_values_have_no_spread_and_the_same_draws_serve_all_scores():
    values = torch.rand(50).double()
    found = intervals({"a": values, "b": 2 * values, "c": torch.full((50,), 0.5).double()}, resamples=100)
    assert found["b"] == pytest.approx([2 * end for end in found["a"]])
    assert found["c"] == (0.5, 0.5)


def test_values_of_different_queries_are_an_error():
    with pytest.raises(ValueError, match=r"intervals over \[2, 3\] queries; give"):
        intervals({"a": torch.rand(2).double(), "b": torch.rand(3).double()}, resamples=9)


def test_intervals_hold_the_scores_and_repeat(oracle):
    case = oracle.random_case(queries=80)
    first, again = (evaluate(Ranker(*case, Protocol(bootstrap=200))) for _ in range(2))
    assert first.details == again.details
    found = first.details["bootstrap"]
    assert (found["resamples"], found["level"]) == (200, 0.95)
    assert set(found["intervals"]) == {"rank1", "mAP"}
    for name, (low, high) in found["intervals"].items():
        assert low < first.scores[name] < high
    assert first.scores == evaluate(Ranker(*case, Protocol())).scores


def test_a_single_gallery_shot_has_an_interval_of_rank_1_alone(oracle):
    result = evaluate(Ranker(*oracle.random_case(queries=80), Protocol(bootstrap=100, single_gallery_shot=10)))
    ((name, (low, high)),) = result.details["bootstrap"]["intervals"].items()
    assert name == "rank1"
    assert low < result.scores["rank1"] < high
