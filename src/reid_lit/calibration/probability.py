"""P(same person | score), by the way of two that says more of persons left out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Float, Int
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from reid_lit.calibration.pairs import BINS, FOLDS, Pairs
from reid_lit.errors import InputError
from reid_lit.testing.provenance import with_tuples

PRIOR = 0.5
"""The share of pairs of one person that probabilities are fitted with."""
LEVELS = 15
"""Bins of the expected calibration error."""

Method = Literal["isotonic", "platt"]


@dataclass(frozen=True, kw_only=True)
class Probability:
    """The probability that two images show one person, as a function of their score.

    Attributes:
        method: ``isotonic`` (Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
            estimates", KDD 2002) or ``platt`` (Platt, "Probabilistic outputs for support vector machines", 1999).
        score: Ascending; between them the probability is linear. Platt's curve needs none.
        probability: At each of ``score``.
        slope: Platt's: 1 / (1 + exp(-(slope · score + intercept))).
        intercept: Platt's.
        limit: No probability is nearer to 0 or to 1: so much the number of persons can show.
    """

    method: Method
    score: tuple[float, ...] = ()
    probability: tuple[float, ...] = ()
    slope: float = 0.0
    intercept: float = 0.0
    limit: float

    def __call__(self, score: Any, *, prior: float = PRIOR) -> Any:
        """The probability at one score or an array of them.

        Args:
            score: Cosines.
            prior: The share of pairs of one person among those that are compared, in (0, 1).

        Raises:
            ValueError: the prior is no such share.
        """
        if not 0 < prior < 1:
            raise InputError(f"prior={prior:g}: give the share of pairs of one person, between 0 and 1")
        values = np.asarray(score, dtype=float)
        if self.method == "platt":
            even = 1 / (1 + np.exp(-(self.slope * values + self.intercept)))
        else:
            even = np.interp(values, self.score, self.probability)
        even = np.clip(even, self.limit, 1 - self.limit)
        odds = even / (1 - even) * prior / (1 - prior)
        found = odds / (1 + odds)
        return float(found) if np.ndim(score) == 0 else found

    def as_json(self) -> dict[str, Any]:
        """The curve in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Probability":
        """The curve that :meth:`as_json` gave."""
        return cls(**with_tuples(content))


@dataclass(frozen=True, kw_only=True)
class Level:
    """A bin of the reliability diagram.

    Attributes:
        predicted: The mean probability in it.
        seen: The share of pairs of one person in it.
        share: The share of all pairs that is in it; both kinds of pairs count as half.
    """

    predicted: float
    seen: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The chosen curve and how well it does on persons that it was not fitted to.

    Attributes:
        chosen: The curve, fitted to all persons.
        log_loss: By method, the mean over persons left out, in nats; pairs of one person and of two count as half.
        ece: The expected calibration error of the chosen method on persons left out.
        levels: Its reliability diagram.
    """

    chosen: Probability
    log_loss: Mapping[str, float]
    ece: float
    levels: tuple[Level, ...]


def fit(pairs: Pairs) -> Fitted:
    """Fit both curves and choose by the log loss on persons left out, in :data:`.pairs.FOLDS` groups.

    Pairs count by their bin of scores. Those of one person weigh as much, all together, as those of two.

    Source of the expected calibration error: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities
        using Bayesian binning", AAAI 2015, with equal widths.

    Raises:
        ValueError: the persons are too few to leave some out.
    """
    limit = 1 / (2 + pairs.persons)
    losses: dict[Method, float] = {}
    held: dict[Method, tuple[np.ndarray, np.ndarray]] = {}
    methods: tuple[Method, ...] = ("isotonic", "platt")
    for method in methods:
        loss, number, predicted, weights = 0.0, 0, [], []
        for fold in range(FOLDS):
            others = [place for place in range(FOLDS) if place != fold]
            left_out = _even(pairs.counts[:, fold, fold])
            fitted_to = _even(pairs.counts[:, others][:, :, others].sum((1, 2)))
            if left_out is None or fitted_to is None:
                continue
            probability = _curve(method, fitted_to, limit)(CENTRES)
            loss -= float((left_out[0] * np.log(1 - probability) + left_out[1] * np.log(probability)).sum())
            number += 1
            predicted.append(probability)
            weights.append(left_out)
        if not number:
            raise InputError(
                f"{pairs.persons} persons are too few to leave some out and fit P(same | score) to the others: no group"
                f" of a fifth of them has pairs of one person and of two; give 20 persons or more"
            )
        losses[method] = loss / number
        held[method] = np.concatenate(predicted), np.concatenate(weights, axis=1) / number
    best = min(methods, key=lambda method: losses[method])
    ece, levels = reliability(*held[best])
    whole = cast(np.ndarray, _even(pairs.counts.sum((1, 2))))  # there are pairs of both kinds, or no group had any
    log_loss = cast(Mapping[str, float], losses)
    return Fitted(chosen=_curve(best, whole, limit), log_loss=log_loss, ece=ece, levels=levels)


CENTRES = (np.arange(BINS) + 0.5) * 2 / BINS - 1
"""The scores in the middle of the bins."""


def reliability(
    predicted: Float[np.ndarray, " cells"], weight: Float[np.ndarray, "2 cells"]
) -> tuple[float, tuple[Level, ...]]:
    """The expected calibration error and the levels of the reliability diagram.

    Args:
        predicted: The probability of each cell.
        weight: The weight of pairs of two persons and of one in each cell; all together 1.
    """
    place = np.minimum((predicted * LEVELS).astype(int), LEVELS - 1)
    mass = np.bincount(place, weights=weight.sum(0), minlength=LEVELS)
    hits = np.bincount(place, weights=weight[1], minlength=LEVELS)
    mean = np.bincount(place, weights=weight.sum(0) * predicted, minlength=LEVELS)
    error = float(np.abs(hits - mean).sum() / mass.sum())
    filled = np.flatnonzero(mass)
    return error, tuple(
        Level(predicted=float(mean[k] / mass[k]), seen=float(hits[k] / mass[k]), share=float(mass[k])) for k in filled
    )


def _even(counts: Int[np.ndarray, "2 bins"]) -> Float[np.ndarray, "2 bins"] | None:
    """The counts as weights, of which either kind of pairs has half; None where there is none of a kind."""
    total = counts.sum(1, keepdims=True)
    return counts / total * np.array([[1 - PRIOR], [PRIOR]]) if total.all() else None


def _curve(method: Method, weight: Float[np.ndarray, "2 bins"], limit: float) -> Probability:
    filled = np.flatnonzero(weight.sum(0))
    score = np.concatenate([CENTRES[filled]] * 2)
    label = np.repeat([0, 1], len(filled))
    mass = weight[:, filled].ravel()
    chosen = mass > 0
    if method == "platt":
        model = LogisticRegression(C=1e6, max_iter=1000)
        scale = mass[chosen] * chosen.sum()  # the penalty is against the sum of the weights
        model.fit(score[chosen, None], label[chosen], sample_weight=scale)
        slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
        return Probability(method=method, slope=slope, intercept=intercept, limit=limit)
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(score[chosen], label[chosen], sample_weight=mass[chosen])
    knots = tuple(float(value) for value in isotonic.X_thresholds_)
    values = tuple(float(value) for value in isotonic.y_thresholds_)
    return Probability(method=method, score=knots, probability=values, limit=limit)
