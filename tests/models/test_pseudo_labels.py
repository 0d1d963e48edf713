import pytest
import torch

from reid_lit.models.pseudo_labels import cluster, select
from reid_lit.records import JUNK


def blobs(seed=0):
    """Nine images about each of four places."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randn(4, 5, generator=generator) * 10
    return places.repeat_interleave(9, 0) + torch.randn(36, 5, generator=generator) / 10


def test_clusters_are_those_of_the_features_as_they_are_and_repeat_themselves():
    features = torch.cat([blobs(), blobs() * 3])  # the same directions: normalised, they would be four clusters
    labels, centroids = cluster(features, clusters=8, starts=10, seed=1)
    assert [len(set(part.tolist())) for part in labels.split(9)] == [1] * 8
    assert len(labels.unique()) == 8
    torch.testing.assert_close(centroids[labels[0]], features[:9].mean(0))
    again = cluster(features, clusters=8, starts=10, seed=1)
    assert torch.equal(again[0], labels)
    assert torch.equal(again[1], centroids)
    assert cluster(features[:1].expand(20, 5), clusters=8, starts=1, seed=0)[0].unique().tolist() == [0]


@pytest.mark.parametrize("threshold", [-1.0, 0.3, 0.85, 0.97])
def test_an_image_is_reliable_by_its_cosine_to_any_centre_and_keeps_its_own_cluster(threshold):
    features = torch.randn(50, 6, generator=torch.Generator().manual_seed(2))
    labels, centroids = cluster(features, clusters=5, starts=1, seed=0)
    got = select(features, labels, centroids, threshold=threshold)
    centres = [min(range(50), key=lambda i: float((features[i] - centroid).norm())) for centroid in centroids]
    for i in range(50):
        cosines = [torch.cosine_similarity(features[i], features[c], dim=0).item() for c in centres]
        assert got[i] == (labels[i] if max(cosines) > threshold else JUNK)
    assert set(centres) <= set((got != JUNK).nonzero().flatten().tolist())


def test_the_centre_is_the_nearest_image_of_all_even_one_of_another_cluster():
    features = torch.tensor([[1.0, 1.0], [1.0, -1.0], [2.0, 0.1], [-1.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1])
    got = select(features, labels, torch.tensor([[1.8, 0.0], [-1.0, 0.0]]), threshold=0.9)  # centres: images 2 and 3
    assert got.tolist() == [JUNK, JUNK, 1, 1]
