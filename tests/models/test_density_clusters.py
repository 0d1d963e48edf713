import itertools

import numpy as np
import pytest
import torch
from sklearn.cluster import DBSCAN

from reid_lit.evaluation.neighbours.jaccard import jaccard_neighbours
from reid_lit.health.agreement import agreement
from reid_lit.models.density_clusters import (
    centres,
    check_clusters,
    check_density,
    cluster_figures,
    density_clusters,
)


def drawn(persons=12, images=10, noise=0.4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    person = torch.arange(persons).repeat(images)
    features = torch.randn(persons, 16, generator=generator)[person]
    return features + noise * torch.randn(features.shape, generator=generator), person


def test_clusters_of_sparse_rows_are_those_of_the_whole_matrix():
    features, _ = drawn(noise=0.9)
    found = density_clusters(features, k1=12, k2=3, eps=0.6, min_samples=4)
    near = jaccard_neighbours(features, k1=12, k2=3, reach=0.99)
    whole = np.ones((120, 120))
    whole[near.row.numpy(), near.column.numpy()] = near.value.numpy()
    expected = DBSCAN(eps=0.6, min_samples=4, metric="precomputed").fit_predict(whole)
    assert found.tolist() == expected.tolist()
    assert 0 < (found == -1).sum() < 120


def test_persons_that_lie_apart_are_the_clusters():
    features, person = drawn()
    found = density_clusters(features, k1=10, k2=3, eps=0.6, min_samples=4)
    assert agreement(found, person) == pytest.approx(
        dict.fromkeys(("pair_precision", "pair_recall", "pair_F", "AMI"), 1.0)
    )


def test_centres_are_means_without_outliers():
    features, labels = torch.tensor([[1.0, 0.0], [3.0, 0.0], [9.0, 9.0], [0.0, 2.0]]), torch.tensor([1, 1, -1, 0])
    assert centres(features, labels).tolist() == [[0.0, 2.0], [2.0, 0.0]]


def test_agreement_is_that_of_a_loop_over_pairs():
    generator = torch.Generator().manual_seed(1)
    clusters, persons = (torch.randint(-1, 4, (40,), generator=generator) for _ in range(2))
    together = same = right = 0
    for one, other in itertools.combinations(range(40), 2):
        if persons[one] == -1 or persons[other] == -1:
            continue
        of_one = clusters[one] == clusters[other] != -1
        together += int(of_one)
        same += int(persons[one] == persons[other])
        right += int(of_one and persons[one] == persons[other])
    found = agreement(clusters, persons)
    assert found["pair_precision"] == pytest.approx(right / together)
    assert found["pair_recall"] == pytest.approx(right / same)
    assert found["pair_F"] == pytest.approx(2 * right / (together + same))
    assert abs(found["AMI"]) < 0.3


def test_agreement_needs_persons():
    nobody = torch.full((4,), -1)
    assert agreement(torch.tensor([0, 0, 1, 1]), nobody) == {}
    alone = agreement(nobody, torch.tensor([0, 0, 1, 1]))
    assert alone == {"pair_precision": 0.0, "pair_recall": 0.0, "pair_F": 0.0, "AMI": 0.0}


def test_figures_of_a_round_beside_the_one_before():
    before = torch.tensor([0, 0, 0, 1, 1, -1, -1, 2])
    after = torch.tensor([5, 5, -1, 3, 3, -1, 3, 0])
    figures = cluster_figures(after, before)
    assert {name: figures[name] for name in ("clusters", "least", "median", "most")} == {
        "clusters": 3, "least": 1, "median": 2, "most": 3,
    }  # fmt: skip
    assert figures["outliers"] == 0.25
    assert figures["outliers_kept"] == 0.5
    assert figures["stability"] == 1.0  # numbers of clusters do not matter, nor images that are outliers in one round
    assert "stability" not in cluster_figures(after, None)
    split = cluster_figures(torch.tensor([0, 1, 0, 1, 2, 3, 3, 3]), before)
    assert split["stability"] < 0.5


def test_clusters_in_words_and_too_few_of_them():
    figures = cluster_figures(torch.tensor([0, 0, 1, 1, 1, -1]), None)
    words = check_clusters(figures, name="round 3", eps=0.6, min_samples=4)
    assert words == (
        "round 3: 2 clusters, 16.7 % of the images are outliers; images a cluster (least / median / most): 2 / 3 / 3"
    )
    for labels, cure in (
        (torch.zeros(4).long(), "lower eps"),
        (torch.full((4,), -1), "raise eps, or lower min_samples"),
    ):
        with pytest.raises(ValueError, match=rf"^eps=0\.6, min_samples=4: round 0: .* nothing to tell apart; {cure},"):
            check_clusters(cluster_figures(labels, None), name="round 0", eps=0.6, min_samples=4)


def test_one_image_is_no_cluster():
    with pytest.raises(ValueError, match=r"^min_samples=1: at 1 each image is a cluster"):
        check_density(k1=30, k2=6, eps=0.6, min_samples=1)
