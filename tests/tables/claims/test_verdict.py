"""The rule: intervals against closed forms and double loops, and an example of each verdict."""

import math

import numpy as np
import pytest
from scipy import stats

from reid_lit.errors import InputError
from reid_lit.tables.claims import bootstrap
from reid_lit.tables.claims.bootstrap import QueryValues, query_deviation
from reid_lit.tables.claims.verdict import Interval, Spread, interval, pooled, verdict, weakest


def between(low, high, seeds=1, by_seeds=0.0):
    return Interval(mean=(low + high) / 2, low=low, high=high, seeds=seeds, by_seeds=by_seeds, by_queries=None)


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
        (between(0.1, 2, by_seeds=None), {"kind": "order"}, "undecided"),
        (between(-0.1, 0.1, by_seeds=None), {"kind": "equivalent", "margin": 1}, "undecided"),
        (interval([5.0], None), {"kind": "order"}, "undecided"),
        (None, {"kind": "order"}, "not tested"),
    ],
)
def test_each_verdict(found, claim, expected):
    assert verdict(found, **claim) == expected


def test_the_weakest_is_the_verdict_of_all():
    assert weakest(["seen", "seen"]) == "seen"
    assert weakest(["seen", "seen", "not tested"]) == "undecided"
    assert weakest(["reversed", "not tested"]) == "reversed"
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


def test_fewer_than_three_seeds_vary_as_other_rows_do():
    rows = [[1.0, 2.0, 4.0], [5.0, 5.5, 5.0, 7.0], [3.0, 30.0], [8.0]]
    spread = pooled(rows)
    assert spread.freedom == 2 + 3
    assert spread.variance == pytest.approx((2 * np.var(rows[0], ddof=1) + 3 * np.var(rows[1], ddof=1)) / 5)
    assert pooled(rows[2:]) is None
    found = interval([3.0, 1.0], 0.4, spread)
    assert found.by_seeds == pytest.approx(stats.t.ppf(0.975, 5) * math.sqrt(spread.variance / 2))
    assert interval([3.0], 0.4, spread).by_seeds == pytest.approx(found.by_seeds * math.sqrt(2))
    three = [1.0, 2.0, 3.0]
    assert interval(three, 0.4, Spread(100.0, 9)) == interval(three, 0.4)


def test_one_seeds_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        spread = pooled(generator.normal(0, 1.0, (2, 3)))  # of a training; two are compared
        found = interval([generator.normal(0, math.sqrt(2 + 0.25))], 0.5, Spread(2 * spread.variance, spread.freedom))
        held += found.low < 0 < found.high
    assert 0.94 < held / 2000 < 0.98


def values(*columns, name="ward", queries="same", persons=None):
    return [{(name, queries): QueryValues(np.array(column, dtype=float), persons)} for column in columns]


def test_the_bootstrap_of_a_paired_difference_is_near_its_closed_form():
    generator = np.random.default_rng(0)
    left, right = generator.uniform(size=400), generator.uniform(size=400)
    runs = list(zip((100.0, -100.0), values(left, right), strict=True))
    closed = 100 * np.std(left - right) / np.sqrt(400)
    assert query_deviation(runs) == pytest.approx(closed, rel=0.08)  # 1,000 samples: 2.2 % is their own deviation
    shifted = list(zip((100.0, -100.0), values(left, left + 0.1), strict=True))
    assert query_deviation(shifted) == pytest.approx(0, abs=1e-9)  # paired: what all queries share does not vary


def test_the_bootstrap_of_persons_is_a_double_loop(monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)
    bootstrap._draws.cache_clear()
    generator = np.random.default_rng(1)
    tests = {("a", "1"): np.array([7, 7, 2, 9, 2, 7, 30, 5, 5]), ("b", "2"): np.array([5, 41, 2, 2, 30])}
    runs = []
    for weight in (0.5, 0.5, -0.5, -0.5):
        columns = {test: generator.uniform(size=len(persons)) for test, persons in tests.items()}
        runs.append((weight, {test: QueryValues(columns[test], tests[test]) for test in tests}))
    runs[0][1]["a", "1"].values[3] = runs[2][1]["b", "2"].values[1] = np.nan  # no match under one rule, or the other
    found = query_deviation(runs)
    everybody = sorted({int(person) for persons in tests.values() for person in persons})
    counts = bootstrap._draws(len(everybody))
    samples = []
    for sample in range(20):
        total = 0.0
        for weight, scores in runs:
            for test, persons in tests.items():
                drawn = []
                for place, person in enumerate(everybody):
                    own = [value for value, each in zip(scores[test].values, persons, strict=True) if each == person]
                    drawn += own * int(counts[place, sample])
                kept = [value for value in drawn if not math.isnan(value)]
                total += weight / len(tests) * (sum(kept) / len(kept) if kept else math.nan)
        samples.append(total)
    bootstrap._draws.cache_clear()
    assert found == pytest.approx(np.nanstd(samples))


def test_splits_that_share_their_persons_vary_together():
    generator = np.random.default_rng(2)
    names = [("viper", f"split {n}") for n in range(4)]
    hard = generator.uniform(size=(2, 300))  # each person is as hard in every split
    splits = [{name: QueryValues(row, np.arange(300)) for name in names} for row in hard]
    found = query_deviation(list(zip((1.0, -1.0), splits, strict=True)))
    assert found == pytest.approx(np.std(hard[0] - hard[1]) / math.sqrt(300), rel=0.08)
    nobody = [{name: each._replace(persons=None) for name, each in split.items()} for split in splits]
    apart = query_deviation(list(zip((1.0, -1.0), nobody, strict=True)))
    assert apart == pytest.approx(found / 2, rel=0.12)  # as if each split had other persons


def test_other_queries_cannot_be_paired():
    one, other = values([0.1, 0.2]), values([0.1, 0.2], queries="other")
    with pytest.raises(InputError, match="tested on different queries"):
        query_deviation([(1.0, one[0]), (-1.0, other[0])])
