"""Differences with their intervals, and what they say of a claim: the rule of all verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from reid_lit.errors import InputError

Verdict = Literal["seen", "reversed", "not seen", "undecided", "not tested"]

VERDICTS: tuple[Verdict, ...] = ("seen", "reversed", "not seen", "undecided", "not tested")
WEAKEST_FIRST: tuple[Verdict, ...] = ("reversed", "not seen", "undecided", "seen")
LEVEL, ENOUGH_SEEDS, RESAMPLES, SEED = 0.95, 3, 1000, 0

RULE = (
    "A difference is the mean over seeds of left minus right of one seed, in points. Its 95 % interval is ± √(h² "
    "+ q²). h = t · s / √S is the half-width by seeds: s is the standard deviation of the S seeds' differences, t "
    "the 97.5 % quantile of Student's t with S − 1 degrees of freedom. q = 1.96 · σ is that by queries: σ is the "
    "standard deviation of the difference over 1,000 bootstrap samples of the queries, the same for all runs of "
    "the comparison (paired). With one seed h is not known, and the interval is that of the queries alone. A "
    "score that is no mean over queries, such as R, has an interval by seeds alone, and none with one seed.",
    "Order, and each step of what falls: seen where the interval lies above 0 (or above the bound that the claim "
    "names), reversed where it lies below. Equivalent: seen where the interval lies within the claim's margin on both "
    "sides of 0, reversed where it lies outside of it. All others are undecided with fewer than three seeds, and not "
    "seen with three or more.",
    "A claim of several scores, data sets or rows says all of them, so its verdict is that of the weakest that was "
    "tested: reversed before not seen, before undecided, before seen.",
)
"""The rule in words, as every report prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A difference and how sure it is, in the unit of its values.

    Attributes:
        mean: The mean over seeds.
        low: The lower end of the interval; None where nothing is known of its width.
        high: The upper end.
        seeds: The number of seeds.
        by_seeds: The half-width by seeds; None of a single one.
        by_queries: The half-width by queries; None where they are not known.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    by_seeds: float | None
    by_queries: float | None


def interval(differences: Sequence[float], query_deviation: float | None) -> Interval:
    """The mean of seeds' differences with its 95 % interval, seeds and queries combined.

    Seeds vary by training alone, since all of them are asked the same queries; so the two variances add up.

    >>> round(interval([1.0], 0.5).low, 3), interval([1.0, 1.0, 1.0], None).low, interval([1.0], None).low
    (0.02, 1.0, None)

    Args:
        differences: Left minus right, of each seed.
        query_deviation: The bootstrap's standard deviation of their mean; None where there is none.

    Raises:
        ValueError: no seed.
    """
    if not differences:
        raise InputError("no difference of any seed; give one or more")
    from scipy.stats import t

    number, mean = len(differences), float(np.mean(differences))
    quantile = 1 - (1 - LEVEL) / 2
    by_seeds = None
    if number > 1:
        by_seeds = float(t.ppf(quantile, number - 1) * np.std(differences, ddof=1) / np.sqrt(number))
    by_queries = None if query_deviation is None else 1.96 * query_deviation
    known = [width for width in (by_seeds, by_queries) if width is not None]
    half = float(np.sqrt(sum(width**2 for width in known))) if known else None
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return Interval(mean=mean, low=low, high=high, seeds=number, by_seeds=by_seeds, by_queries=by_queries)


def query_deviation(runs: Sequence[tuple[float, Mapping[tuple[str, str], Any]]]) -> float:
    """The standard deviation of a weighted sum of scores over paired bootstrap samples of the queries.

    In each sample as many queries are drawn with replacement as there are, the same for all runs. A score is the mean
    over its tests (the splits of VIPeR) of the mean over the drawn queries that have a match; each test draws its own.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, sections 6.2 and 8.

    Args:
        runs: The weight of each run's score in the sum, and ``(queries)`` what the score is the mean of, nan without a
            match, by the test: its name and the hash of its queries.

    Raises:
        ValueError: runs were asked different queries, so that they cannot be paired.
    """
    tests = runs[0][1].keys()
    if any(values.keys() != tests for _, values in runs):
        raise InputError("the runs were tested on different queries: they cannot be compared query by query")
    total = np.zeros(RESAMPLES)
    for place, test in enumerate(sorted(tests)):
        table = np.stack([values[test] for _, values in runs])
        weights = np.array([weight for weight, _ in runs]) / len(tests)
        total += weights @ _resampled_means(table, place)
    return float(np.nanstd(total))


def _resampled_means(table: Any, stream: int) -> Any:
    """``(runs samples)``: the means of the values that are no nan, over each sample of queries."""
    valid = ~np.isnan(table)
    counts = _draws(table.shape[1], stream)
    with np.errstate(invalid="ignore"):
        return (np.where(valid, table, 0) @ counts) / (valid @ counts)


@cache
def _draws(number: int, stream: int) -> Any:
    """``(queries samples)``: how often each query is in each sample."""
    generator = np.random.default_rng((SEED, stream))
    return generator.multinomial(number, np.full(number, 1 / number), size=RESAMPLES).T.astype(np.float64)


def verdict(found: Interval | None, *, kind: str, bound: float = 0.0, margin: float = 0.0) -> Verdict:
    """What a difference says of a claim; see :data:`RULE`.

    >>> verdict(interval([3.0], 1.0), kind="order"), verdict(interval([3.0], 1.0), kind="equivalent", margin=1.0)
    ('seen', 'reversed')

    Args:
        found: The difference; None: not tested.
        kind: ``order``, ``equivalent`` or ``falls``.
        bound: What an order is to be above.
        margin: How far from 0 is still equivalent.
    """
    if found is None:
        return "not tested"
    if found.low is not None and found.high is not None:
        low, high = found.low, found.high
        if kind == "equivalent":
            inside, outside = -margin < low and high < margin, low > margin or high < -margin
        else:
            inside, outside = low > bound, high < bound
        if inside or outside:
            return "seen" if inside else "reversed"
    return "undecided" if found.seeds < ENOUGH_SEEDS else "not seen"


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of several together.

    >>> weakest(["seen", "undecided", "not tested"]), weakest(["not tested"])
    ('undecided', 'not tested')
    """
    return next((each for each in WEAKEST_FIRST if each in verdicts), "not tested")
