"""Differences with their intervals, and what they say of a claim: the rule of all verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from reid_lit.errors import InputError
from reid_lit.tables.claims.bootstrap import RESAMPLES

Verdict = Literal["seen", "reversed", "not seen", "undecided", "not tested"]

VERDICTS: tuple[Verdict, ...] = ("seen", "reversed", "not seen", "undecided", "not tested")
WEAKEST_FIRST: tuple[Verdict, ...] = ("reversed", "not seen", "undecided", "seen")
LEVEL, ENOUGH_SEEDS = 0.95, 3
FLOOR = 1.0
"""Points of rank-1 or mAP below which a network has not learnt: a comparison of such ones says nothing."""

RULE = (
    "A difference is the mean over seeds of left minus right of one seed, in points. Its 95 % interval is ± √(h² "
    "+ q²). h = t · s / √S is the half-width by seeds. From three seeds on s is the standard deviation of the S seeds' "
    "differences, and t the 97.5 % quantile of Student's t with S − 1 degrees of freedom. With fewer, s is what the "
    "other rows tell: s² = k · v, k the number of trainings that are compared, v the variance over seeds of all rows "
    "of the same size, label and score that have three seeds or more, pooled, and t has their degrees of freedom. "
    "Where there is no such row, how seeds vary is not known, and nothing is decided.",
    "q = 1.96 · σ is the half-width by queries: σ is the standard deviation of the difference over "
    f"{RESAMPLES:,} bootstrap samples of the persons who are looked for, with all of their queries in all splits, "
    "the same for all runs of the comparison (paired). A score that is no mean over queries, such as R, has an "
    "interval by seeds alone.",
    "Order, and each step of what falls: seen where the interval lies above 0 (or above the bound that the claim "
    "names), reversed where it lies below. Equivalent: seen where the interval lies within the claim's margin on both "
    "sides of 0, reversed where it lies outside of it. All others are undecided with fewer than three seeds, and not "
    f"seen with three or more. Nothing is decided where rank-1 or mAP of all rows lies below {FLOOR:g}: none has "
    "learnt.",
    "A claim of several scores, data sets or rows says all of them, so its verdict is that of the weakest: reversed "
    "before not seen, before undecided, before seen. It is undecided where a comparison of it was not tested. Where it "
    "was measured on the paper's own data, these alone decide.",
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
        by_seeds: The half-width by seeds; None where it is not known how they vary.
        by_queries: The half-width by queries; None where they are not known.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    by_seeds: float | None
    by_queries: float | None


class Spread(NamedTuple):
    """How a score varies over seeds.

    Attributes:
        variance: Of what is compared.
        freedom: The degrees of freedom that it was estimated with.
    """

    variance: float
    freedom: int


def interval(differences: Sequence[float], query_deviation: float | None, others: Spread | None = None) -> Interval:
    """The mean of seeds' differences with its 95 % interval, seeds and queries combined.

    Seeds vary by training alone, since all of them are asked the same queries; so the two variances add up.

    >>> round(interval([1.0], 0.5).low, 3), interval([1.0, 1.0, 1.0], None).low, interval([1.0], None).low
    (0.02, 1.0, None)

    Args:
        differences: Left minus right, of each seed.
        query_deviation: The bootstrap's standard deviation of their mean; None where there is none.
        others: How such differences vary by what other rows tell, for fewer than three seeds; None: not known.

    Raises:
        ValueError: no seed.
    """
    if not differences:
        raise InputError("no difference of any seed; give one or more")
    number, mean = len(differences), float(np.mean(differences))
    enough = number >= ENOUGH_SEEDS
    spread = Spread(float(np.var(differences, ddof=1)), number - 1) if enough else others
    by_seeds = None if spread is None else _quantile(spread.freedom) * float(np.sqrt(spread.variance / number))
    by_queries = None if query_deviation is None else 1.96 * query_deviation
    known = [width for width in (by_seeds, by_queries) if width is not None]
    half = float(np.sqrt(sum(width**2 for width in known))) if known else None
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return Interval(mean=mean, low=low, high=high, seeds=number, by_seeds=by_seeds, by_queries=by_queries)


def _quantile(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(1 - (1 - LEVEL) / 2, freedom))


def pooled(rows: Iterable[Sequence[float]]) -> Spread | None:
    """The variance over seeds that rows have in common; None where none has three seeds.

    >>> pooled([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0, 4.0], [9.0]])
    Spread(variance=0.4, freedom=5)

    Args:
        rows: The scores of each row's seeds.
    """
    enough = [row for row in rows if len(row) >= ENOUGH_SEEDS]
    freedom = sum(len(row) - 1 for row in enough)
    squares = sum(float(np.var(row, ddof=1)) * (len(row) - 1) for row in enough)
    return Spread(squares / freedom, freedom) if freedom else None


def verdict(found: Interval | None, *, kind: str, bound: float = 0.0, margin: float = 0.0) -> Verdict:
    """What a difference says of a claim; see :data:`RULE`.

    >>> known = Spread(variance=0.25, freedom=20)
    >>> verdict(interval([3.0], 1.0, known), kind="order"), verdict(interval([3.0], 1.0), kind="order")
    ('seen', 'undecided')

    Args:
        found: The difference; None: not tested.
        kind: ``order``, ``equivalent`` or ``falls``.
        bound: What an order is to be above.
        margin: How far from 0 is still equivalent.
    """
    if found is None:
        return "not tested"
    if found.by_seeds is not None and found.low is not None and found.high is not None:
        low, high = found.low, found.high
        if kind == "equivalent":
            inside, outside = -margin < low and high < margin, low > margin or high < -margin
        else:
            inside, outside = low > bound, high < bound
        if inside or outside:
            return "seen" if inside else "reversed"
    return "undecided" if found.seeds < ENOUGH_SEEDS else "not seen"


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of several together: one that was not tested leaves it open whether all of them are seen.

    >>> weakest(["seen", "undecided"]), weakest(["seen", "not tested"]), weakest(["not tested"])
    ('undecided', 'undecided', 'not tested')
    """
    found: Verdict = next((each for each in WEAKEST_FIRST if each in verdicts), "not tested")
    return "undecided" if found == "seen" and "not tested" in verdicts else found
