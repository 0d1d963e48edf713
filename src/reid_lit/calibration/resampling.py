"""Persons drawn again, and how wide the intervals are that their draws give."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.stats import norm
from scipy.stats import t as student

from reid_lit.calibration.pairs import Pairs, Scored
from reid_lit.progress import Progress

LEVEL = 0.95
_SEED = 0


def drawn_persons(pairs: Pairs, resamples: int, tell: Progress) -> Iterator[Int[np.ndarray, " persons"]]:
    """How often each person is drawn, in each of some draws with replacement."""
    random = np.random.default_rng(_SEED)
    for number in range(1, resamples + 1):
        drawn = random.integers(pairs.persons, size=pairs.persons)
        yield np.bincount(drawn, minlength=pairs.persons).astype(np.int32)
        tell(number, resamples)


def pair_weights(pairs: Scored, weight: Real[np.ndarray, " persons"]) -> np.ndarray:
    """How often each pair counts."""
    return weight[pairs.one] * weight[pairs.other]


def reaching_source(pairs: Pairs, threshold: float) -> Scored:
    """The pairs of two persons by which matches are counted: the highest, or a sample where the threshold is below."""
    whole = len(pairs.highest.score) == pairs.different
    return pairs.highest if whole or threshold >= pairs.highest.score[-1] else pairs.drawn


def matched_share(pairs: Pairs, weight: np.ndarray, threshold: float) -> float:
    """The share of pairs of two persons with this score or a higher one."""
    source = reaching_source(pairs, threshold)
    counted = pair_weights(source, weight)
    whole = source is pairs.highest
    total = float(pairs.weighted(weight[None].astype(float))[0]) if whole else float(counted.sum())
    return float(counted[: source.reaching(threshold)].sum() / total) if total else float("nan")


def missed_share(same: Scored, weight: np.ndarray, threshold: float) -> float:
    """The share of pairs of one person below a threshold; nan for a draw without any."""
    counted = weight[same.one]
    total = counted.sum()
    return float(counted[same.reaching(threshold) :].sum() / total) if total else float("nan")


def scaled_interval(drawn: np.ndarray, found: float, scale: float) -> tuple[float, float]:
    """The middle 95 % of the draws, made narrower or wider around what was found."""
    low, high = middle(drawn)
    return found + scale * (low - found), found + scale * (high - found)


def middle(drawn: np.ndarray) -> tuple[float, float]:
    """The ends of the middle 95 %; draws without a pair of one person, or of two, say nothing: nan where all are so."""
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return low, high


def spread_scale(pairs: Pairs, threshold: float, *, of_same: bool) -> float:
    """How wide the interval of a threshold is, as a share of what the draws give; see :func:`.thresholds.thresholds`.

    Args:
        pairs: The pairs.
        threshold: The score.
        of_same: Whether the rate is the difference to the false non-matches.
    """
    source = pairs.drawn if of_same else reaching_source(pairs, threshold)
    total = pairs.different if source is pairs.highest else len(source.score)
    share = total / pairs.different  # of all pairs, those that the source was drawn from
    accepted = int(source.reaching(threshold))
    rate = accepted / total
    one, other = np.minimum(source.one, source.other)[:accepted], np.maximum(source.one, source.other)[:accepted]
    cell, matches = np.unique(one.astype(np.int64) * pairs.persons + other, return_counts=True)
    matched = np.bincount(one, minlength=pairs.persons) + np.bincount(other, minlength=pairs.persons)
    contribution = matched.astype(float)
    by_pair = float((matches.astype(float) ** 2).sum())
    step = 512
    for start in range(0, pairs.persons, step):
        between = share * pairs.between(slice(start, start + step))
        contribution[start : start + step] -= rate * between.sum(1)
        by_pair += rate**2 * float((between**2).sum()) / 2  # each pair of persons is in two rows
        inside = cell // pairs.persons
        chosen = (inside >= start) & (inside < start + step)
        numbers = between[inside[chosen] - start, cell[chosen] % pairs.persons]
        by_pair -= 2 * rate * float((matches[chosen] * numbers).sum())
    by_pair /= total**2
    contribution /= total
    if of_same:
        contribution -= _missed_by_person(pairs, threshold)
    by_person = float((contribution**2).sum())
    by_pair = max(by_pair, 0.0)  # differences of floats
    spread = by_person + by_pair
    if spread == 0:
        return 1.0
    fourth = float((contribution**4).sum())
    effective = by_person**2 / fourth if fourth else 0.0
    widening = student.ppf((1 + LEVEL) / 2, max(effective - 1, 1)) / norm.ppf((1 + LEVEL) / 2)
    return float(np.sqrt(max(by_person - by_pair / 2, by_pair) / spread) * widening)


def _missed_by_person(pairs: Pairs, threshold: float) -> Float[np.ndarray, " persons"]:
    """What each person contributes to the false non-match rate, above its mean."""
    same = pairs.same
    numbers = np.bincount(same.one, minlength=pairs.persons)
    below = np.bincount(same.one[same.score < threshold], minlength=pairs.persons)
    total = numbers.sum()
    return (below - below.sum() / total * numbers) / total
