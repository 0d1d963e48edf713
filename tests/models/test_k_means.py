import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from reid_lit.models.k_means import lloyd
from reid_lit.models.pseudo_labels import cluster, cluster_on_device

DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")])]  # fmt: skip


def drawn(images=600, persons=12, dim=32, noise=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    person = torch.randint(persons, (images,), generator=generator)
    centre = torch.randn(persons, dim, generator=generator)
    return centre[person] + noise * torch.randn(images, dim, generator=generator) + 5, person


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_it_goes_where_scikit_learn_goes(device, noise):
    features, _ = drawn(noise=noise)
    start = features[:12]
    theirs = KMeans(12, init=start.numpy(), n_init=1, algorithm="lloyd").fit(features.numpy())
    labels, centroids, inertia = lloyd(features.to(device), start.to(device))
    assert inertia == pytest.approx(theirs.inertia_, rel=1e-5)
    assert np.mean(labels.cpu().numpy() == theirs.labels_) > 0.999
    np.testing.assert_allclose(centroids.cpu().numpy(), theirs.cluster_centers_, atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_centroids_are_the_means_of_their_clusters(device):
    features, _ = drawn(noise=1.0)
    labels, centroids, inertia = lloyd(features.to(device), features[:12].to(device))
    again, _, least = lloyd(features.to(device), centroids)
    assert torch.equal(labels, again)
    assert inertia == pytest.approx(least, rel=1e-5)
    for place in range(12):
        own = features[labels.cpu() == place]
        torch.testing.assert_close(centroids[place].cpu(), own.mean(0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_an_empty_cluster_takes_the_farthest_feature(device):
    features, _ = drawn(images=60, persons=3, noise=0.1)
    start = torch.cat([features[:1], torch.full((2, 32), 1e3)])
    labels, _, _ = lloyd(features.to(device), start.to(device))
    assert labels.unique().numel() == 3


def test_the_way_of_a_gpu_gives_what_that_of_a_cpu_gives():
    features, person = drawn()
    here, _ = cluster(features, clusters=12, starts=3, seed=1)
    there, _ = cluster_on_device(features, clusters=12, starts=3, seed=1)
    pairs = torch.stack([here, there], 1).unique(dim=0)
    assert len(pairs) == 12  # the same clusters under other numbers
    assert torch.stack([there, person], 1).unique(dim=0).shape[0] == 12


def test_it_repeats_itself():
    features, _ = drawn(noise=2.0)
    one, other = (lloyd(features, features[:20]) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
