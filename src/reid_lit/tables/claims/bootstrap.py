"""How sure a difference of scores is by its queries: the persons who are looked for are drawn anew, many times."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from reid_lit.errors import InputError

RESAMPLES, SEED = 1000, 0


class QueryValues(NamedTuple):
    """What a score of one test is the mean of.

    Attributes:
        values: ``(queries)``, nan without a match.
        persons: ``(queries)``; None where they are not known, so that each query counts as a person of its own.
    """

    values: Any
    persons: Any


Tests = Mapping[tuple[str, str], QueryValues]
"""By the test: its name and the hash of its queries."""


def query_deviation(runs: Sequence[tuple[float, Tests]]) -> float:
    """The standard deviation of a weighted sum of scores over paired bootstrap samples of the persons looked for.

    In each sample as many persons are drawn with replacement as there are, the same for all runs, and each brings all
    of its queries, in all tests: a person's queries are alike, and the splits of VIPeR share their persons. A score is
    the mean over its tests of the mean over the drawn queries that have a match.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8 (cluster sampling).

    Args:
        runs: The weight of each run's score in the sum, and what the score is the mean of.

    Raises:
        ValueError: runs were asked different queries, so that they cannot be paired.
    """
    tests = runs[0][1]
    if any(values.keys() != tests.keys() for _, values in runs):
        raise InputError("the runs were tested on different queries: they cannot be compared query by query")
    persons = {test: _persons(tests[test], place) for place, test in enumerate(sorted(tests))}
    everybody = np.unique(np.concatenate(list(persons.values())))
    drawn, total = _draws(len(everybody)), np.zeros(RESAMPLES)
    weights = np.array([weight for weight, _ in runs]) / len(tests)
    for test, those in persons.items():
        table = np.stack([values[test].values for _, values in runs])
        total += weights @ _resampled_means(table, drawn[np.searchsorted(everybody, those)])
    return float(np.nanstd(total))


def _persons(test: QueryValues, place: int) -> Any:
    """``(queries)``: the persons of a test's queries; numbers of their own, below 0, where these are not known."""
    number = len(test.values)
    return -1 - (np.arange(number) + place * 10**7) if test.persons is None else test.persons.astype(np.int64)


def _resampled_means(table: Any, counts: Any) -> Any:
    """``(runs samples)``: the means of the values that are no nan, over each sample of ``(queries samples)`` counts."""
    valid = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return (np.where(valid, table, 0) @ counts) / (valid @ counts)


@cache
def _draws(number: int) -> Any:
    """``(persons samples)``: how often each person is in each sample."""
    generator = np.random.default_rng(SEED)
    return generator.multinomial(number, np.full(number, 1 / number), size=RESAMPLES).T.astype(np.float64)
