"""The rule: intervals against closed forms and double loops, and an example of each verdict."""

import math

import numpy as np
import pytest
from scipy import stats

from reid_lit.errors import InputError
from reid_lit.tables.claims import verdict as rule
from reid_lit.tables.claims.verdict import Interval, interval, query_deviation, verdict, weakest


def between(low, high, seeds=1):
    return Interval(mean=(low + high) / 2, low=low, high=high, seeds=seeds, by_seeds=None, by_queries=None)


@pytest.mark.parametrize(
    ("found", "claim", "expected"),
    [
        (between(0.1, 2), {"kind": "order"}, "seen"),
        (between(-2, -0.1), {"kind": "order"}, "reversed"),
        (between(-0.1, 2, 2), {"kind": "order"}, "undecided"),
        (between(-0.1, 2, 3), {"kind": "order"}, "not seen"),
        (between(0.1, 2), {"kind": "falls"}, "seen"),
        (between(-2, -0.1), {"kind": "falls"}, "reversed"),
        (between(11, 12), {"kind": "order", "bound": 10}, "seen"),
        (between(8, 9), {"kind": "order", "bound": 10}, "reversed"),
        (between(9, 11, 3), {"kind": "order", "bound": 10}, "not seen"),
        (between(-0.9, 0.9), {"kind": "equivalent", "margin": 1}, "seen"),
        (between(1.1, 2), {"kind": "equivalent", "margin": 1}, "reversed"),
        (between(-2, -1.1), {"kind": "equivalent", "margin": 1}, "reversed"),
        (between(0.5, 2, 2), {"kind": "equivalent", "margin": 1}, "undecided"),
        (between(-2, 2, 3), {"kind": "equivalent", "margin": 1}, "not seen"),
        (interval([5.0], None), {"kind": "order"}, "undecided"),
        (None, {"kind": "order"}, "not tested"),
    ],
)
def test_each_verdict(found, claim, expected):
    assert verdict(found, **claim) == expected


def test_the_weakest_of_those_that_were_tested_is_the_verdict_of_all():
    assert weakest(["seen", "seen", "not tested"]) == "seen"
    assert weakest(["seen", "undecided"]) == "undecided"
    assert weakest(["undecided", "not seen"]) == "not seen"
    assert weakest(["seen", "not seen", "reversed"]) == "reversed"
    assert weakest(["not tested"]) == "not tested"


def test_the_interval_by_seeds_is_that_of_students_t():
    differences = [1.0, 2.5, 1.7, 0.3]
    found = interval(differences, None)
    low, high = stats.t.interval(0.95, 3, np.mean(differences), stats.sem(differences))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.seeds, found.by_queries) == (4, None)


def test_seeds_and_queries_add_as_variances():
    differences = [1.0, 2.0, 3.0]
    found = interval(differences, 0.4)
    by_seeds = stats.t.ppf(0.975, 2) * 1 / math.sqrt(3)
    assert found.high - found.mean == pytest.approx(math.sqrt(by_seeds**2 + (1.96 * 0.4) ** 2))
    assert interval([2.0], 0.4).high == pytest.approx(2 + 1.96 * 0.4)
    with pytest.raises(InputError, match="no difference of any seed"):
        interval([], 0.4)


def values(*columns, name="ward", queries="same"):
    return [{(name, queries): np.array(column, dtype=float)} for column in columns]


def test_the_bootstrap_of_a_paired_difference_is_near_its_closed_form():
    generator = np.random.default_rng(0)
    left, right = generator.uniform(size=400), generator.uniform(size=400)
    runs = list(zip((100.0, -100.0), values(left, right), strict=True))
    closed = 100 * np.std(left - right) / np.sqrt(400)
    assert query_deviation(runs) == pytest.approx(closed, rel=0.08)  # 1,000 samples: 2.2 % is their own deviation
    shifted = list(zip((100.0, -100.0), values(left, left + 0.1), strict=True))
    assert query_deviation(shifted) == pytest.approx(0, abs=1e-9)  # paired: what all queries share does not vary


def test_the_bootstrap_is_a_double_loop(monkeypatch):
    monkeypatch.setattr(rule, "RESAMPLES", 20)
    rule._draws.cache_clear()
    generator = np.random.default_rng(1)
    columns = generator.uniform(size=(4, 9))
    columns[0, 3] = columns[2, 5] = np.nan  # no match under one rule, and one under the other
    weights = [0.5, 0.5, -0.5, -0.5]
    found = query_deviation(list(zip(weights, values(*columns), strict=True)))
    counts = rule._draws(9, 0)
    samples = []
    for sample in range(20):
        total = 0.0
        for weight, column in zip(weights, columns, strict=True):
            drawn = [column[query] for query in range(9) for _ in range(int(counts[query, sample]))]
            kept = [value for value in drawn if not math.isnan(value)]
            total += weight * sum(kept) / len(kept)
        samples.append(total)
    rule._draws.cache_clear()
    assert found == pytest.approx(np.std(samples))


def test_tests_of_several_splits_are_drawn_apart_and_averaged():
    generator = np.random.default_rng(2)
    splits = [{("viper", f"split {n}"): generator.uniform(size=300) for n in range(4)} for _ in range(2)]
    found = query_deviation(list(zip((1.0, -1.0), splits, strict=True)))
    parts = [np.var(splits[0][key] - splits[1][key]) / 300 for key in splits[0]]
    assert found == pytest.approx(math.sqrt(sum(parts)) / 4, rel=0.08)


def test_other_queries_cannot_be_paired():
    one, other = values([0.1, 0.2]), values([0.1, 0.2], queries="other")
    with pytest.raises(InputError, match="tested on different queries"):
        query_deviation([(1.0, one[0]), (-1.0, other[0])])
