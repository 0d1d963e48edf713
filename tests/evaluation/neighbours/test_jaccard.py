"""The sparse Jaccard distance against the dense computation that is copied from code base to code base."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid_lit.evaluation.neighbours.exact import neighbours
from reid_lit.evaluation.neighbours.jaccard import jaccard_neighbours


def drawn(images, dim, persons, noise, seed=0):
    generator = torch.Generator().manual_seed(seed)
    person = torch.arange(images) % persons
    centre = torch.randn(persons, dim, generator=generator)
    return centre[person] + noise * torch.randn(images, dim, generator=generator)


def dense(features, k1, k2):
    """The distance matrix as the public code computes it; the ranking is the exact search's, which has its own tests."""
    unit = F.normalize(features, dim=1)
    rank = neighbours(unit, k=k1).index.numpy()
    unit = unit.double().numpy()
    images = len(unit)

    def reciprocal(image, k):
        forward = rank[image, : k + 1]  # k1 + 1 of k1 columns
        return forward[(rank[forward, : k + 1] == image).any(1)]

    long, short = ([reciprocal(image, k) for image in range(images)] for k in (k1, int(np.around(k1 / 2))))
    weight = np.zeros((images, images))
    for image in range(images):
        members = long[image]
        for other in long[image]:
            if len(np.intersect1d(short[other], long[image])) > 2 / 3 * len(short[other]):
                members = np.append(members, short[other])
        members = np.unique(members)
        score = np.exp(-(2 - 2 * unit[members] @ unit[image]))
        weight[image, members] = score / score.sum()
    weight = np.stack([weight[rank[image, :k2]].mean(0) for image in range(images)])
    distance = np.ones_like(weight)
    for image in range(images):
        used = np.flatnonzero(weight[image])
        shared = np.minimum(weight[:, used], weight[image, used]).sum(1)
        distance[image] = 1 - shared / (2 - shared)
    return np.maximum(distance, 0)


def full(sparse):
    """The sparse rows as a matrix, infinity where there is no entry."""
    matrix = np.full((len(sparse), sparse.width), np.inf)
    matrix[sparse.row.numpy(), sparse.column.numpy()] = sparse.value.numpy()
    return matrix


@pytest.mark.parametrize(
    ("images", "dim", "k1", "k2", "noise", "reach"),
    [(2000, 32, 30, 6, 0.5, 0.6), (300, 8, 20, 1, 1.0, 0.95), (60, 4, 7, 3, 2.0, 0.5), (40, 16, 40, 40, 0.3, 0.7)],
)
def test_it_is_the_dense_distance_within_its_reach(images, dim, k1, k2, noise, reach):
    features = drawn(images, dim, max(2, images // 25), noise)
    found, truth = full(jaccard_neighbours(features, k1=k1, k2=k2, reach=reach)), dense(features, k1, k2)
    there = np.isfinite(found)
    assert there.sum() > images
    np.testing.assert_allclose(found[there], truth[there], atol=1e-6)
    assert (found[there] <= reach).all()
    assert (truth[~there] > reach - 1e-6).all()
    assert (np.diagonal(found) < 1e-6).all()


def test_blocks_of_few_rows_find_the_same(monkeypatch):
    features = drawn(200, 8, 10, 1.0)
    whole = jaccard_neighbours(features, k1=10, k2=3, reach=0.6)
    monkeypatch.setattr("reid_lit.evaluation.neighbours.jaccard.SUMS", 7 * 200)
    parts = jaccard_neighbours(features, k1=10, k2=3, reach=0.6)
    assert torch.equal(whole.column, parts.column)
    torch.testing.assert_close(whole.value, parts.value)


def test_length_does_not_matter():
    features = drawn(100, 8, 5, 0.5)
    one, other = (jaccard_neighbours(each, k1=10, k2=3, reach=0.6) for each in (features, features * 3))
    assert torch.equal(one.column, other.column)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": 1, "k2": 1}, r"^k1=1: the image itself is one of them"),
        ({"k2": 11}, r"^k2=11: give 1 to k1=10 neighbours"),
        ({"reach": 1.0}, r"^eps=1\.0: .* give a number above 0 and below 1"),
        ({"k1": 101}, r"^k1=101: lists of 101 images cannot be made of 100; give 100 or less"),
        ({"memory_limit_gb": 0.001}, r"^memory_limit_gb=0\.001: the Jaccard distance of 100 images needs"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        jaccard_neighbours(drawn(100, 8, 5, 0.5), **{"k1": 10, "k2": 3, "reach": 0.6, **settings})
