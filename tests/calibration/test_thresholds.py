"""Thresholds: exact on few pairs, and intervals that hold what they promise on scores of known laws."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.nn import functional as F

from reid_lit.calibration.labelled import Labelled
from reid_lit.calibration.pairs import BINS, FOLDS, Pairs, Scored, collect
from reid_lit.calibration.thresholds import LEAST_FALSE_MATCHES, LEAST_PERSONS, _rising, equal_error, thresholds
from reid_lit.errors import InputError

RATES = (0.01, 0.002)


def drawn_pairs(random, *, persons, images, of_person, apart=1.2):
    """Scores of a law: normal, with a part of each person; those of one person are higher by ``apart``."""
    owner = np.repeat(np.arange(persons), images)
    one, other = np.triu_indices(len(owner), 1)
    same = owner[one] == owner[other]
    effect = random.normal(scale=of_person, size=persons)
    one, other = owner[one], owner[other]
    spread = np.sqrt(1 - 2 * of_person**2)
    score = effect[one] + effect[other] + random.normal(scale=spread, size=len(one))
    score = np.where(same, score + apart, score) / 10
    different = Scored.of(score[~same], one[~same], other[~same])
    return Pairs(
        shown=np.full((persons, 1), images),
        across=False,
        same=Scored.of(score[same], one[same], other[same]),
        highest=different,
        drawn=different,
        counts=np.zeros((2, FOLDS, FOLDS, BINS), int),
    )


@pytest.mark.slow
@pytest.mark.parametrize("of_person", [0.0, 0.4])
def test_intervals_cover_the_true_threshold(of_person):
    """95 % intervals hold the threshold of the law in 90 to 99 % of 200 draws, whether scores hang on persons or not."""
    random = np.random.default_rng(3)
    truth = norm.isf(RATES) / 10
    held = np.zeros((200, len(RATES)))
    for draw in range(200):
        pairs = drawn_pairs(random, persons=90, images=2, of_person=of_person)
        found = thresholds(pairs, RATES, resamples=150)
        held[draw] = [each.low <= true <= each.high for each, true in zip(found, truth, strict=True)]
    assert ((held.mean(0) >= 0.90) & (held.mean(0) <= 0.99)).all(), held.mean(0)


def images_of(seed, *, persons=12, each=4, dim=6):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(persons, 1, dim, generator=generator)
    embedding = F.normalize((centre + 0.8 * torch.randn(persons, each, dim, generator=generator)).flatten(0, 1))
    person = torch.arange(persons).repeat_interleave(each)
    camera = torch.arange(len(person)) % 3
    return Labelled(embedding=embedding, person=person, camera=camera, across=True)


def listed(images):
    """Every pair, one by one."""
    pairs = {True: [], False: []}
    for a in range(len(images.person)):
        for b in range(a + 1, len(images.person)):
            if images.across and images.camera[a] == images.camera[b]:
                continue
            score = float((images.embedding[a] * images.embedding[b]).sum())
            pairs[bool(images.person[a] == images.person[b])].append(
                (score, int(images.person[a]), int(images.person[b]))
            )
    return {same: sorted(found, reverse=True) for same, found in pairs.items()}


def test_pairs_are_those_of_two_loops():
    images = images_of(0)
    pairs, expected = collect(images, rate=0.05), listed(images)
    assert pairs.different == len(expected[False]) == len(pairs.highest.score)
    for scored, same in ((pairs.same, True), (pairs.highest, False), (pairs.drawn, False)):
        assert np.allclose(scored.score, [pair[0] for pair in expected[same]], atol=1e-6)
        assert [tuple(pair) for pair in zip(scored.one, scored.other, strict=True)] == [
            pair[1:] for pair in expected[same]
        ]
    assert pairs.counts[0].sum() == len(expected[False])
    assert pairs.counts[1].sum() == len(expected[True])
    assert not any(pairs.counts[1, a, b].any() for a in range(FOLDS) for b in range(FOLDS) if a != b)


def test_the_number_of_weighted_pairs_is_that_of_two_loops():
    images = images_of(1)
    pairs = collect(images, rate=0.05)
    weight = np.random.default_rng(0).integers(3, size=(4, pairs.persons)).astype(float)
    for row, found in zip(weight, pairs.weighted(weight), strict=True):
        assert found == sum(row[a] * row[b] for _, a, b in listed(images)[False])
    between = np.zeros((pairs.persons, pairs.persons))
    for _, a, b in listed(images)[False]:
        between[a, b] += 1
        between[b, a] += 1
    assert (np.concatenate([pairs.between(slice(k, k + 5)) for k in range(0, pairs.persons, 5)]) == between).all()


@pytest.mark.parametrize("persons", [2, 3, 5, 9])
def test_few_persons_give_intervals(persons):
    """Draws of one person alone have no pair of two, and the variance of few persons comes out below 0 by chance."""
    for seed in range(8):
        pairs = collect(images_of(seed, persons=persons, each=24), rate=0.2)
        for found in (*thresholds(pairs, [0.2], resamples=12), equal_error(pairs, resamples=12)):
            assert found.low <= found.threshold <= found.high
            assert pairs.highest.score[-1] - 2 < found.low
            assert found.high < 3
            assert found.fnmr is None or 0 <= found.fnmr_low <= found.fnmr_high <= 1
        assert thresholds(pairs, [0.2], resamples=12)[0].fnmr is None  # which 20 persons would have


def test_draws_without_a_pair_give_no_interval():
    pairs = collect(images_of(0, persons=2, each=24), rate=0.2)
    for found in (*thresholds(pairs, [0.2], resamples=1), equal_error(pairs, resamples=1)):  # one person twice
        assert (found.threshold, found.low, found.fnmr) == (None, None, None)
        assert found.reason == "2 persons are too few: no draw of them has pairs of two persons and of one"


def test_a_threshold_is_the_least_score_that_keeps_the_rate():
    images = images_of(2, persons=LEAST_PERSONS)
    pairs, expected = collect(images, rate=0.05), listed(images)
    rate = 0.05
    (found,) = thresholds(pairs, [rate], resamples=50)
    equal = equal_error(pairs, resamples=50)
    scores = [score for score, *_ in expected[False]]
    genuine = [score for score, *_ in expected[True]]
    assert found.threshold == pytest.approx(
        min(s for s in scores if sum(x >= s for x in scores) <= rate * len(scores)), abs=1e-6
    )
    assert found.fnmr == pytest.approx(np.mean([score < found.threshold for score in genuine]), abs=1e-9)
    assert found.low <= found.threshold <= found.high
    assert found.fnmr_low <= found.fnmr <= found.fnmr_high
    gap = [abs(np.mean([x >= s for x in scores]) - np.mean([x < s for x in genuine])) for s in scores]
    assert gap[scores.index(min(scores, key=lambda s: abs(s - equal.threshold)))] <= min(gap) + 1 / len(genuine)


def test_intervals_rise_as_thresholds_do():
    ends = [(0.5, 0.8), (0.3, 0.95), (0.6, 0.9)]
    assert _rising([0.01, 0.001, 0.0001], ends) == [(0.3, 0.8), (0.5, 0.9), (0.6, 0.95)]
    assert _rising([0.0001, 0.01], ends[:2]) == [(0.5, 0.95), (0.3, 0.8)]
    assert _rising([], []) == []


def test_too_few_pairs_are_said_and_not_extrapolated():
    pairs = collect(images_of(0), rate=0.05)
    (found,) = thresholds(pairs, [1e-4], resamples=5)
    assert found.threshold is None
    assert found.reason == (
        f"{pairs.different:,} pairs of two persons are too few for this rate, which needs {LEAST_FALSE_MATCHES * 10_000:,}"
    )


def test_a_set_of_one_person_or_one_camera_is_refused():
    images = images_of(0, persons=1)
    with pytest.raises(InputError, match="no pair of images of two persons"):
        collect(images, rate=0.05)
    alone = Labelled(embedding=images.embedding, person=images.person, camera=images.camera * 0, across=True)
    with pytest.raises(InputError, match="pairs=all compares images of one camera too"):
        collect(alone, rate=0.05)


def test_the_highest_scores_are_kept_where_pairs_are_many(monkeypatch):
    import reid_lit.calibration.pairs as module

    images = images_of(4, persons=20)
    monkeypatch.setattr(module, "DRAWN", 200)
    monkeypatch.setattr(module, "_BLOCK", 7)
    pairs, expected = collect(images, rate=0.02), listed(images)[False]
    assert len(pairs.highest.score) == 200
    assert np.allclose(pairs.highest.score, [pair[0] for pair in expected[:200]], atol=1e-6)
    assert 120 < len(pairs.drawn.score) < 280
    assert pairs.counts[0].sum() == len(expected)
