"""Each figure against its definition as loops."""

import math

import numpy as np
import pytest
import torch

from reid_lit.health.measures import (
    RelativeError,
    cluster_figures,
    dead_dimensions,
    domain_probe,
    effective_rank,
    feature_spread,
    mean_cosine,
)


def features(images=20, dim=5, seed=0):
    return torch.randn(images, dim, generator=torch.Generator().manual_seed(seed)) + 1


def unit(rows):
    return [[x / math.hypot(*row) for x in row] for row in rows.tolist()]


def test_the_spread_is_the_mean_distance_to_the_mean_of_unit_features():
    rows = unit(features())
    mean = [sum(column) / 20 for column in zip(*rows, strict=True)]
    assert feature_spread(features()) == pytest.approx(sum(math.dist(row, mean) for row in rows) / 20, rel=1e-6)
    assert feature_spread(7 * features()) == pytest.approx(feature_spread(features()), rel=1e-6)
    assert feature_spread(torch.ones(4, 3)) == pytest.approx(0)


def test_the_effective_rank_is_the_exponential_of_the_entropy_of_the_singular_values():
    rows = np.array(unit(features()))
    centred = rows - rows.mean(0)
    values = np.sqrt(np.clip(np.linalg.eigvalsh(centred.T @ centred), 0, None))
    shares = [value / sum(values) for value in values]
    assert effective_rank(features()) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)), rel=1e-6)
    line = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0]])
    assert effective_rank(line) == pytest.approx(1)
    axes = torch.cat([torch.eye(4), -torch.eye(4)])
    assert effective_rank(axes) == pytest.approx(4)
    assert effective_rank(torch.ones(6, 3) + 1e-7 * features(6, 3)) == 0  # round-off has no direction


def test_dead_dimensions_are_those_that_never_change():
    rows = features(dim=8)
    rows[:, [1, 4]] = torch.tensor([3.0, 0.0])
    assert dead_dimensions(rows) == 2 / 8
    assert dead_dimensions(torch.ones(3, 2)) == 1


def test_the_cosine_is_that_of_each_pair_whatever_its_sign():
    one, other = features(), features(seed=1)
    pairs = zip(unit(one), unit(other), strict=True)
    expected = sum(abs(sum(a * b for a, b in zip(*pair, strict=True))) for pair in pairs) / 20
    assert mean_cosine(one, other) == pytest.approx(expected, rel=1e-5)
    assert mean_cosine(one, -3 * one) == pytest.approx(1)


def test_the_probe_tells_apart_what_differs_and_nothing_else():
    far = features(40)
    far[:, 0] -= 8
    assert domain_probe(features(40), far, folds=5, seed=0) > 0.9
    alike = [domain_probe(features(40, seed=k), features(60, seed=100 + k), folds=5, seed=0) for k in range(6)]
    assert sum(alike) / 6 == pytest.approx(0.5, abs=0.1)
    with pytest.raises(ValueError, match="probe_folds=5, but the source has 4 images and the target 9"):
        domain_probe(features(4), features(9), folds=5, seed=0)


def test_the_probe_leaves_the_random_state_alone():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global generator is what must stay
    domain_probe(features(), features(seed=1), folds=4, seed=3)
    after = float(torch.rand(())), float(np.random.rand())  # noqa: NPY002
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    assert after == (float(torch.rand(())), float(np.random.rand()))  # noqa: NPY002


def test_clusters_are_those_that_were_put_there():
    centres = torch.eye(3).repeat_interleave(torch.tensor([4, 6, 9]), 0)
    rows = torch.cat([centres + 0.01 * features(19, 3), torch.tensor([[-1.0, -1.0, -1.0]])])
    found = cluster_figures(rows, share=0.36, smallest=3)
    assert found.pop("silhouette") > 0.9
    assert found == {
        "clusters": 3,
        "noise": pytest.approx(1 / 20),
        "cluster_min": 4,
        "cluster_median": 6,
        "cluster_max": 9,
    }
    assert cluster_figures(torch.eye(5), share=0.1, smallest=6) == {"clusters": 0, "noise": 1}
    assert cluster_figures(torch.ones(5, 2), share=0.1, smallest=3)["cluster_max"] == 5


def test_the_relative_error_is_one_for_the_mean_of_all_images():
    original = features(12, 6).reshape(12, 3, 2)
    mean, error, half = original.mean(0).expand(12, 3, 2), RelativeError(), RelativeError()
    for rows in (slice(0, 5), slice(5, 12)):
        error.update(mean[rows], original[rows])
        half.update((mean[rows] + original[rows]) / 2, original[rows])
    assert error.compute() == pytest.approx(1, rel=1e-5)
    assert half.compute() == pytest.approx(0.25, rel=1e-5)
    assert RelativeError().compute() is None
    error = RelativeError()
    error.update(torch.zeros(4, 2), torch.ones(4, 2))
    assert error.compute() is None
