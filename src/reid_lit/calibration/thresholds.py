"""Thresholds for rates of false matches, each with the interval that other persons might have given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Real

from reid_lit.calibration.pairs import Pairs, Scored
from reid_lit.calibration.resampling import (
    drawn_persons,
    middle,
    missed_share,
    pair_weights,
    scaled_interval,
    spread_scale,
)
from reid_lit.progress import Progress, untold
from reid_lit.wording import counted

LEAST_FALSE_MATCHES = 30
"""A rate is measured where so many false matches are expected at it.

Source: Doddington's rule of 30, ISO/IEC 19795-1, B.1.2: with 30 errors the true rate is within 30 % of the one seen,
with 90 % confidence, were the pairs independent.
"""
LEAST_PERSONS = 20
"""A share of pairs of one person is measured where they show so many persons."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A score from which on two images are taken for one person.

    Attributes:
        fmr: False match rate (ISO/IEC 19795-1): the share of pairs of two persons with this score or a higher one.
        threshold: The least score that occurs with this rate or a lower one; None where the pairs are too few.
        low: The 95 % interval of the threshold, from other persons of the same kind.
        high: Its upper end.
        fnmr: False non-match rate: the share of pairs of one person below the threshold; None where they show too few
            persons.
        fnmr_low: The 95 % interval of that rate.
        fnmr_high: Its upper end.
        reason: Why there is no threshold, or no false non-match rate.
    """

    fmr: float
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    fnmr: float | None = None
    fnmr_low: float | None = None
    fnmr_high: float | None = None
    reason: str = ""


def thresholds(pairs: Pairs, rates: Sequence[float], *, resamples: int, tell: Progress = untold) -> list[Threshold]:
    """The thresholds at some false match rates.

    Persons are drawn again with replacement, not pairs: two pairs that share a person are not independent. A pair of
    persons p and q then counts w_p · w_q times. Two corrections scale the spread of the draws. Let D sum the squares of
    what each person contributes to the rate, and E those of each pair of persons:

    - The draws have the variance D + E, since what p and q have in common is seen once and drawn twice. D - E is
      unbiased for dyadic data, and too small with few persons; the spread is made sqrt((D - E / 2) / (D + E)) of it.
      With few persons D - E / 2 is next to nothing, or below 0, by chance. E, the variance were the pairs of persons
      independent, takes its place where it is less.
    - Where few persons make most of the false matches, their number is what counts: Student's t with the effective
      number of persons, (sum of squares)² / sum of fourth powers, less 1, takes the place of the normal quantile.

    On normal scores of which a person's part is 0 to 72 % of the variance, 95 % intervals so hold the true threshold in
    91 to 98 % of 200 draws of 90 and of 200 persons, and in 87 to 98 % of 30; without the corrections in 83 to 99 % and
    76 to 100 %.

    Source: Bolle, Ratha and Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", Computer
        Vision and Image Understanding 2004; for D - E Aronow, Samii and Assenova, "Cluster-robust variance estimation
        for dyadic data", Political Analysis 2015; for the effective number Carter, Schnepel and Steigerwald,
        "Asymptotic behavior of a t-test robust to cluster heterogeneity", Review of Economics and Statistics 2017. To
        scale the draws by them is ours.

    Args:
        pairs: The pairs.
        rates: False match rates, in (0, 1).
        resamples: How often persons are drawn.
        tell: Called with the draws that are done, and their number.
    """
    different = pairs.different
    measured = [rate for rate in rates if rate * different >= LEAST_FALSE_MATCHES]
    everyone = np.arange(1, len(pairs.highest.score) + 1)
    places = [_cut(pairs.highest.score, everyone, rate * different) for rate in measured]
    drawn, missed = (np.zeros((resamples, len(measured))) for _ in range(2))
    for number, weight in enumerate(drawn_persons(pairs, resamples, tell)):
        total = float(pairs.weighted(weight[None].astype(float))[0])
        reached = np.cumsum(pair_weights(pairs.highest, weight))
        drawn[number] = [_cut(pairs.highest.score, reached, rate * total) if total else np.nan for rate in measured]
        missed[number] = [missed_share(pairs.same, weight, place) for place in places]
    found: dict[float, Threshold] = {}
    ends = _rising(
        measured,
        [
            scaled_interval(drawn[:, k], place, spread_scale(pairs, place, of_same=False))
            for k, place in enumerate(places)
        ],
    )
    for column, (rate, place) in enumerate(zip(measured, places, strict=True)):
        found[rate] = _with_interval(Threshold(fmr=rate, threshold=place), ends[column], pairs.persons)
        if found[rate].threshold is not None:
            found[rate] = _with_misses(found[rate], pairs, missed[:, column])
    return [found.get(rate) or _unmeasured(rate, different) for rate in rates]


def equal_error(pairs: Pairs, *, resamples: int, tell: Progress = untold) -> Threshold:
    """The threshold at which both rates are equal; its interval as in :func:`thresholds`.

    Args:
        pairs: The pairs.
        resamples: How often persons are drawn.
        tell: Called with the draws that are done, and their number.
    """
    above = pairs.same.reaching(pairs.drawn.score)
    threshold, rate = _equal_error(pairs, above, np.ones(pairs.persons))
    drawn = np.array([_equal_error(pairs, above, weight) for weight in drawn_persons(pairs, resamples, tell)])
    ends = scaled_interval(drawn[:, 0], threshold, spread_scale(pairs, threshold, of_same=True))
    found = _with_interval(Threshold(fmr=rate, threshold=threshold), ends, pairs.persons)
    if found.threshold is None:
        return found
    rate_low, rate_high = middle(drawn[:, 1])
    return replace(found, fnmr=rate, fnmr_low=rate_low, fnmr_high=rate_high)


def too_few_persons(same: Scored) -> str:
    """Why the pairs of one person give no false non-match rate; empty where they do."""
    persons = len(np.unique(same.one))
    if persons >= LEAST_PERSONS:
        return ""
    return f"pairs of one person show {counted(persons, 'person')}, which are too few; {LEAST_PERSONS} would do"


def _with_interval(found: Threshold, ends: tuple[float, float], persons: int) -> Threshold:
    """The threshold with its interval; without both where no draw of persons gave one."""
    if not np.isfinite(ends).all():
        reason = f"{counted(persons, 'person')} are too few: no draw of them has pairs of two persons and of one"
        return Threshold(fmr=found.fmr, reason=reason)
    return replace(found, low=ends[0], high=ends[1])


def _with_misses(found: Threshold, pairs: Pairs, missed: Float[np.ndarray, " draws"]) -> Threshold:
    """A threshold with the share of pairs of one person below it; with the reason where they are too few."""
    low, high = middle(missed)
    if (reason := too_few_persons(pairs.same)) or np.isnan(low):
        return replace(found, reason=reason)
    share = missed_share(pairs.same, np.ones(pairs.persons), float(found.threshold))  # type: ignore[arg-type]
    return replace(found, fnmr=share, fnmr_low=low, fnmr_high=high)


def _unmeasured(rate: float, different: int) -> Threshold:
    needed = int(np.ceil(LEAST_FALSE_MATCHES / rate))
    reason = f"{different:,} pairs of two persons are too few for this rate, which needs {needed:,}"
    return Threshold(fmr=rate, reason=reason)


def _cut(score: np.ndarray, counted: np.ndarray, allowed: float) -> float:
    """The least score that is reached ``allowed`` times at most.

    Args:
        score: Descending.
        counted: How often each score or a higher one is reached.
        allowed: The number.
    """
    place = int(np.searchsorted(counted, allowed, side="right")) - 1  # the last pair that may be accepted
    while 0 <= place < len(score) - 1 and score[place] == score[place + 1]:
        place -= 1  # equal scores are accepted together
    return float(score[place]) if place >= 0 else float(np.nextafter(score[0], np.float32(np.inf)))


def _equal_error(
    pairs: Pairs, above: Int[np.ndarray, " drawn"], weight: Real[np.ndarray, " persons"]
) -> tuple[float, float]:
    """The score at which both rates are nearest to each other, and their mean there.

    Args:
        pairs: The pairs.
        above: The pairs of one person that reach the score of each of ``pairs.drawn``.
        weight: How often each person counts.
    """
    accepted = np.cumsum(pair_weights(pairs.drawn, weight))
    kept = np.cumsum(weight[pairs.same.one])
    if not accepted[-1] or not kept[-1]:
        return float("nan"), float("nan")
    fmr = accepted / accepted[-1]
    fnmr = 1 - np.concatenate([[0], kept])[above] / kept[-1]
    place = int(np.argmax(fmr >= fnmr))  # the first from above; at the last one fmr is 1
    return float(pairs.drawn.score[place]), float((fmr[place] + fnmr[place]) / 2)


def _rising(rates: Sequence[float], ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Intervals whose ends rise where the rates fall, as the thresholds do: the same ends in another order.

    Source: Chernozhukov, Fernández-Val and Galichon, "Improving point and interval estimators of monotone functions by
        rearrangement", Biometrika 2009: a band that is put in order covers at least as often.
    """
    if not ends:
        return []
    lows, highs = (sorted(side) for side in zip(*ends, strict=True))
    place = {rate: k for k, rate in enumerate(sorted(rates, reverse=True))}
    return [(lows[place[rate]], highs[place[rate]]) for rate in rates]
