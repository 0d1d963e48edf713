"""P(same | score): near the truth on a known law, chosen by persons left out, never nearer to certainty than it can be."""

import json

import numpy as np
import pytest
from scipy.stats import norm

from reid_lit.calibration.pairs import BINS, FOLDS, Pairs, Scored
from reid_lit.calibration.probability import CENTRES, Probability, fit, reliability
from reid_lit.errors import InputError

NOBODY = Scored(np.zeros(0, np.float32), np.zeros(0, int), np.zeros(0, int))


def pairs_of(different, same, *, persons=400, number=400_000, seed=0):
    """Counts drawn from two densities over the scores, spread over the folds."""
    random = np.random.default_rng(seed)
    counts = np.zeros((2, FOLDS, FOLDS, BINS), int)
    for kind, law in enumerate((different, same)):
        density = law.pdf(CENTRES)
        for a in range(FOLDS):
            for b in range(FOLDS) if kind == 0 else [a]:
                counts[kind, a, b] = random.multinomial(
                    number // (FOLDS * (FOLDS if kind == 0 else 1)), density / density.sum()
                )
    return Pairs(shown=np.full((persons, 1), 4), across=False, same=NOBODY, highest=NOBODY, drawn=NOBODY, counts=counts)


LAWS = {
    "equal spreads": (norm(0.1, 0.12), norm(0.5, 0.12)),  # the logistic curve is the truth
    "other spreads": (norm(0.1, 0.08), norm(0.5, 0.2)),
}


@pytest.mark.parametrize("name", LAWS)
def test_it_is_near_the_truth(name):
    different, same = LAWS[name]
    fitted = fit(pairs_of(different, same))
    assert fitted.ece <= 0.01
    score = np.linspace(-0.1, 0.9, 200)
    truth = same.pdf(score) / (same.pdf(score) + different.pdf(score))
    weight = same.pdf(score) + different.pdf(score)
    assert np.average(np.abs(fitted.chosen(score) - truth), weights=weight) <= 0.01
    assert fitted.log_loss[fitted.chosen.method] == min(fitted.log_loss.values())


def test_the_choice_is_by_persons_left_out():
    assert fit(pairs_of(*LAWS["other spreads"])).chosen.method == "isotonic"
    few = fit(pairs_of(*LAWS["equal spreads"], number=1500))
    assert few.chosen.method == "platt"  # steps of an isotonic curve follow the noise of few pairs


def test_the_calibration_error_is_that_of_a_loop():
    random = np.random.default_rng(0)
    predicted, weight = random.uniform(size=500), random.uniform(size=(2, 500))
    weight /= weight.sum()
    error, levels = reliability(predicted, weight)
    expected = 0.0
    for level in range(15):
        inside = (predicted >= level / 15) & (predicted < (level + 1) / 15)
        expected += abs(weight[1, inside].sum() - (weight.sum(0) * predicted)[inside].sum())
    assert error == pytest.approx(expected)
    assert sum(level.share for level in levels) == pytest.approx(1)


def test_a_prior_moves_the_probability_by_its_odds():
    curve = Probability(method="platt", slope=8.0, intercept=-3.0, limit=0.001)
    assert curve(0.5) == pytest.approx(1 / (1 + np.exp(-1)))
    assert curve(0.5, prior=0.1) == pytest.approx(1 / (1 + 9 * np.exp(-1)))
    assert curve(1.0) < 1
    assert curve(5.0) == 0.999
    with pytest.raises(InputError, match="prior=0: give the share"):
        curve(0.5, prior=0.0)


@pytest.mark.parametrize("name", LAWS)
def test_it_comes_back_from_json(name):
    chosen = fit(pairs_of(*LAWS[name], number=5000)).chosen
    again = Probability.from_json(json.loads(json.dumps(chosen.as_json())))
    assert again == chosen
    assert (again(CENTRES) == chosen(CENTRES)).all()


def test_few_persons_are_said():
    pairs = pairs_of(*LAWS["equal spreads"])
    pairs.counts[1, 1:] = 0
    pairs.counts[0, 1:] = 0
    with pytest.raises(InputError, match="too few to leave some out"):
        fit(pairs)
