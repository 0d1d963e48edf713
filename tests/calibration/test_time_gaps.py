"""Calibration by the time between two images: the pairs of two loops, and scores of a known law."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from scipy.sparse import csr_array
from scipy.stats import beta, norm
from torch.nn import functional as F

from reid_lit.calibration import pairs as pairs_module
from reid_lit.calibration.labelled import Labelled
from reid_lit.calibration.pairs import BINS, FOLDS, Pairs, Scored, collect
from reid_lit.calibration.probability import Probability
from reid_lit.calibration.record import Calibration, TimeGap, read_calibration
from reid_lit.calibration.text import show
from reid_lit.calibration.thresholds import thresholds
from reid_lit.calibration.time_gaps import time_gaps, why_no_gap
from reid_lit.testing.provenance import Provenance

ORIGIN = Provenance(
    model="a", feature="embedding", flip=True, size=(64, 32), interpolation="bilinear", mean=(0.0,), std=(1.0,),
    precision="32-true",
)  # fmt: skip


def images_of(seed, *, persons=12, each=9, across=True):
    generator = torch.Generator().manual_seed(seed)
    embedding = F.normalize(torch.randn(persons * each, 6, generator=generator))
    person = torch.arange(persons).repeat_interleave(each)
    camera = torch.randint(3, (len(person),), generator=generator)
    clock = torch.randint(-1, 2, (len(person),), generator=generator)
    seconds = torch.randint(200, (len(person),), generator=generator).double()
    return Labelled(embedding=embedding, person=person, camera=camera, across=across, clock=clock, seconds=seconds)


def listed(images, low, high):
    """The pairs of one clock, so many seconds apart, one by one."""
    pairs = {True: [], False: []}
    for a in range(len(images.person)):
        for b in range(a + 1, len(images.person)):
            if images.across and images.camera[a] == images.camera[b]:
                continue
            if images.clock[a] != images.clock[b] or images.clock[a] < 0:
                continue
            if low <= abs(images.seconds[a] - images.seconds[b]) < high:
                score = float((images.embedding[a] * images.embedding[b]).sum())
                pairs[bool(images.person[a] == images.person[b])].append((score, *images.person[[a, b]].tolist()))
    return {same: sorted(found, reverse=True) for same, found in pairs.items()}


@pytest.mark.parametrize("across", [True, False])
def test_pairs_of_a_gap_are_those_of_two_loops(across, monkeypatch):
    monkeypatch.setattr(pairs_module, "_BLOCK", 7)
    images = images_of(0, across=across)
    pairs, expected = collect(replace(images, gap=(20.0, 60.0)), rate=0.05), listed(images, 20, 60)
    assert pairs.different == len(expected[False]) == len(pairs.highest.score) > 100
    for scored, same in ((pairs.same, True), (pairs.highest, False)):
        assert np.allclose(scored.score, [pair[0] for pair in expected[same]], atol=1e-6)
        people = sorted(zip(scored.one.tolist(), scored.other.tolist(), strict=True))
        assert people == sorted(pair[1:] for pair in expected[same])
    between = np.zeros((pairs.persons, pairs.persons))
    for _, a, b in expected[False]:
        between[a, b] += 1
        between[b, a] += 1
    assert (np.concatenate([pairs.between(slice(k, k + 5)) for k in range(0, pairs.persons, 5)]) == between).all()
    weight = np.random.default_rng(0).integers(3, size=(4, pairs.persons)).astype(float)
    for row, found in zip(weight, pairs.weighted(weight), strict=True):
        assert found == sum(row[a] * row[b] for _, a, b in expected[False])


DIM, TURN = 16, np.pi / 3 / 1000  # a person turns by 60 degrees in 1,000 seconds
RATES = (0.01, 0.001)
TRUTH = {rate: 2 * beta.isf(rate, (DIM - 1) / 2, (DIM - 1) / 2) - 1 for rate in RATES}


def drawn(seed, *, persons=500):
    """Two images of each person, whose scores have a known law.

    A person is a random plane, and the image at a time t the direction at the angle TURN · t in it. So the score of a
    person is cos(TURN · gap), and that of two persons the product of two random directions: (1 + score) / 2 has the law
    beta((DIM - 1) / 2, (DIM - 1) / 2), whatever the gap. The gaps of a person are even in 0 to 1,000 seconds.
    """
    random = np.random.default_rng(seed)
    first, second = F.normalize(torch.from_numpy(random.normal(size=(2, persons, DIM))), dim=2).numpy()
    second -= (first * second).sum(1, keepdims=True) * first
    plane = np.stack([first, second / np.linalg.norm(second, axis=1, keepdims=True)], 2)
    start, gap = random.uniform(0, 1000, size=(2, persons))
    seconds = np.stack([start, start + gap], 1)
    embedding = np.einsum("pdk,ptk->ptd", plane, np.stack([np.cos(TURN * seconds), np.sin(TURN * seconds)], 2))
    return Labelled(
        embedding=torch.from_numpy(embedding.reshape(-1, DIM)).float(),
        person=torch.arange(persons).repeat_interleave(2),
        camera=torch.tensor([0, 1]).repeat(persons),
        across=True,
        clock=torch.zeros(2 * persons, dtype=torch.int64),
        seconds=torch.from_numpy(seconds.ravel()),
    )


def test_scores_of_a_known_law_are_measured_by_gap():
    held = []
    for seed in range(4):
        images = drawn(seed)
        common = thresholds(collect(images, rate=0.01), RATES, resamples=50)
        found = time_gaps(images, common, edges=(300.0, 900.0), rates=RATES, resamples=100)
        assert [(gap.low, gap.high) for gap in found] == [(0, 300), (300, 900), (900, None)]
        assert sum(gap.same for gap in found) == 500
        assert sum(gap.different for gap in found) == 500 * 499
        assert found[0].at_common[1].fnmr == 0
        assert found[2].at_common[1].fnmr > 0.3
        for gap, (low, high) in zip(found, [(0, 300), (300, 900), (900, 1000)], strict=True):
            for own, at in zip(gap.thresholds, gap.at_common, strict=True):
                matched = beta.sf((1 + at.threshold) / 2, (DIM - 1) / 2, (DIM - 1) / 2)
                limit = np.arccos(at.threshold) / TURN  # a person is missed where the gap is longer
                missed = np.clip((high - limit) / (high - low), 0, 1)
                held.append(
                    (
                        own.low <= TRUTH[own.fmr] <= own.high,
                        at.fmr_low <= matched <= at.fmr_high,
                        at.fnmr_low <= missed <= at.fnmr_high,
                    )
                )
    assert (np.mean(held, 0) >= 0.9).all(), np.mean(held, 0)  # of 24 intervals of 95 % each


def timed_pairs(random, *, persons, images, of_person):
    """Scores of a normal law with a part of each person, of those pairs that drawn times leave."""
    owner = np.repeat(np.arange(persons), images)
    one, other = np.triu_indices(len(owner), 1)
    seconds = random.uniform(size=len(owner))
    kept = np.abs(seconds[one] - seconds[other]) < 0.3
    one, other = owner[one[kept]], owner[other[kept]]
    effect = random.normal(scale=of_person, size=persons)
    score = effect[one] + effect[other] + random.normal(scale=np.sqrt(1 - 2 * of_person**2), size=len(one))
    same = one == other
    cells = csr_array((np.ones((~same).sum(), int), (one[~same], other[~same])), shape=(persons, persons))
    different = Scored.of(score[~same] / 10, one[~same], other[~same])
    return Pairs(
        shown=np.full((persons, 1), images),
        across=False,
        same=Scored.of((score[same] + 1.2) / 10, one[same], other[same]),
        highest=different,
        drawn=different,
        counts=np.zeros((2, FOLDS, FOLDS, BINS), int),
        cells=csr_array(cells + cells.T),
    )


@pytest.mark.slow
def test_intervals_of_a_gap_cover_the_true_threshold():
    """As those of all pairs do: in 90 to 99 % of 100 draws."""
    random = np.random.default_rng(5)
    held = np.zeros((100, 2))
    rates = (0.02, 0.005)
    for draw in range(100):
        found = thresholds(timed_pairs(random, persons=90, images=2, of_person=0.4), rates, resamples=150)
        held[draw] = [each.low <= true <= each.high for each, true in zip(found, norm.isf(rates) / 10, strict=True)]
    assert ((held.mean(0) >= 0.90) & (held.mean(0) <= 0.99)).all(), held.mean(0)


def test_few_pairs_are_said_and_not_extrapolated():
    images = drawn(1, persons=60)
    common = thresholds(collect(images, rate=0.05), (0.05,), resamples=20)
    short, long, none = time_gaps(images, common, edges=(40.0, 5000.0), rates=(0.05,), resamples=20)
    assert short.thresholds[0].threshold is None
    assert "pairs of two persons are too few for this rate, which needs 600" in short.thresholds[0].reason
    assert (short.at_common[0].fmr, short.at_common[0].fnmr) == (None, None)
    assert "too few for this rate" in short.at_common[0].reason
    assert "persons, which are too few; 20 would do" in short.at_common[0].reason
    assert long.at_common[0].fmr is not None
    assert long.at_common[0].fnmr is not None
    assert none.reason == (
        "no pair of images of two persons under two cameras so far apart in time among 120 images of 60 persons and 2"
        " cameras"
    )
    assert none.thresholds == none.at_common == ()


def test_it_is_said_why_no_gap_is_known():
    images = drawn(0, persons=4)
    assert why_no_gap(images) == ""
    unknown = replace(images, clock=torch.full_like(images.clock, -1))
    by_camera = replace(images, clock=images.camera)
    alone = replace(images, clock=torch.arange(len(images.clock)))
    assert why_no_gap(replace(by_camera, across=False)) == ""
    for each, said in (
        (replace(images, clock=None), "times of images are not known"),
        (unknown, "times of images are not known"),
        (by_camera, "two cameras have no common clock; pairs=all"),
        (alone, "no two images have times of one clock"),
    ):
        assert said in why_no_gap(each)
        assert time_gaps(each, (), edges=(60.0,), rates=RATES, resamples=5) == ()


def calibration_of(common, gaps):
    curve = Probability(method="platt", slope=10.0, intercept=-5.0, limit=0.01)
    numbers = dict.fromkeys(("images", "persons", "cameras", "same", "different"), 1)
    return Calibration(
        origin=ORIGIN, data={"name": "drawn", "pairs": "all", "notes": []} | numbers, thresholds=tuple(common),
        equal_error=common[0], probability=curve, log_loss={}, ece=0.0, levels=(), det=(), time_gaps=gaps,
    )  # fmt: skip


def printed(calibration):
    console = Console(file=io.StringIO(), width=160)
    show(calibration, console)
    return [" ".join(line.replace("│", " ").split()) for line in console.file.getvalue().splitlines()]


def test_they_are_kept_and_printed(tmp_path):
    images = drawn(0, persons=300)
    rates = (*RATES, 1e-9)
    common = thresholds(collect(images, rate=0.01), rates, resamples=50)
    gaps = time_gaps(images, common, edges=(60.0, 900.0), rates=rates, resamples=50)
    calibration = calibration_of(common, (*gaps, TimeGap(low=5000.0, high=None, reason="no pair")))
    file = calibration.write(tmp_path / "calibration.json")
    assert read_calibration(file) == calibration
    lines = printed(calibration)
    at, own = gaps[1].at_common[1], gaps[1].thresholds[1]
    assert lines[[line.startswith("1 min to 15 min") for line in lines].index(True)] == (
        f"1 min to 15 min {gaps[1].same:,}, {gaps[1].different:,} {at.fmr:.2g} ({at.fmr_low:.2g} to {at.fmr_high:.2g})"
        f" {at.fnmr:.2%} ({at.fnmr_low:.2%} to {at.fnmr_high:.2%}) {own.threshold:.4f} ({own.low:.4f} to {own.high:.4f})"
    )
    assert any(line.startswith("0 s to 1 min") and line.endswith("–") for line in lines)
    assert "5000 s or more 0, 0 no pair – –" in lines
    content = json.loads(file.read_text())
    assert content["time_gaps"][-1]["high"] is None
    del content["time_gaps"]  # as calibrations of before are
    file.write_text(json.dumps(content))
    assert read_calibration(file) == replace(calibration, time_gaps=())


def test_false_matches_below_the_highest_scores_are_counted_in_a_sample(monkeypatch):
    """Where a range has far more false matches than the rate, the kept highest scores do not reach the threshold."""
    images = drawn(2, persons=300)
    whole = collect(images, rate=0.01)
    threshold = float(whole.highest.score[len(whole.highest.score) // 2])
    common = [replace(thresholds(whole, (0.01,), resamples=5)[0], threshold=threshold)]
    (every, _) = time_gaps(images, common, edges=(5000.0,), rates=(0.01,), resamples=100)
    monkeypatch.setattr(pairs_module, "DRAWN", 20_000)
    monkeypatch.setattr(pairs_module, "KEPT", 1)
    (sampled, _) = time_gaps(images, common, edges=(5000.0,), rates=(0.01,), resamples=100)
    assert every.at_common[0].fmr == pytest.approx(0.5, abs=0.001)
    assert sampled.at_common[0].fmr == pytest.approx(0.5, abs=0.02)
    assert sampled.at_common[0].fmr != every.at_common[0].fmr
