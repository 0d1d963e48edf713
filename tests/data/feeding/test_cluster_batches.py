"""Draws of clusters against the rule of the public code, written out."""

from collections import Counter
from functools import partial

import pytest

from reid_lit.data.feeding.cluster_batches import ClusterSampler, CrossCameraClusterSampler
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.feeding.selection import over_labelled

LABELS = [0] * 9 + [1] * 3 + [2] * 6 + [3] * 5 + [4]  # cluster 4 has one image
CAMERAS = [0, 0, 0, 1, 1, 1, 2, 2, 2] + [0, 0, 1] + [3] * 6 + [0, 1, 2, 3, 4] + [0]


def groups(drawn):
    """The images of one cluster that follow each other."""
    found = []
    for position in drawn:
        if not found or LABELS[found[-1][0]] != LABELS[position]:
            found.append([])
        found[-1].append(position)
    return found


def made(kind, *, batch_size=17, **settings):
    given = {"images": 4, "iterations": 30, "labels": LABELS, "batch_size": batch_size, "seed": 3} | settings
    return kind(**given) if kind is ClusterSampler else kind(cameras=CAMERAS, **given)


@pytest.mark.parametrize("kind", [ClusterSampler, CrossCameraClusterSampler])
def test_a_pass_has_each_cluster_once_and_its_others_by_the_rule(kind):
    seen = Counter()
    for drawn in made(kind).draw(0):  # 4 clusters of 4 images, one of 1: a batch of 17 is a whole pass
        assert sorted(LABELS[group[0]] for group in groups(drawn)) == [0, 1, 2, 3, 4]
        for first, *others in groups(drawn):
            own = [position for position, label in enumerate(LABELS) if label == LABELS[first]]
            allowed = [position for position in own if position != first]
            if kind is CrossCameraClusterSampler:
                allowed = [p for p in own if CAMERAS[p] != CAMERAS[first]] or allowed
            assert len(others) == (3 if allowed else 0)
            assert set(others) <= set(allowed)
            if len(allowed) >= 4:
                assert len(set(others)) == 3  # without replacement
            elif len(set(others)) < len(others):
                seen[LABELS[first]] += 1
    assert seen[1]  # with replacement, where three others are fewer than K


def test_draws_depend_on_seed_and_epoch_alone():
    one, same, other = made(ClusterSampler), made(ClusterSampler), made(ClusterSampler, seed=4)
    assert one.draw(5) == same.draw(5) != one.draw(6)
    assert one.draw(5) != other.draw(5)


def test_an_epoch_has_its_steps_and_passes_go_on():
    sampler = made(ClusterSampler, batch_size=8, iterations=5)
    batches = sampler.draw(0)
    assert [len(batch) for batch in batches] == [8] * 5  # two of each pass, its one image left out
    assert len(sampler) == 40
    for k in (0, 2):
        clusters = [LABELS[group[0]] for group in groups(batches[k] + batches[k + 1])]
        assert len(clusters) == len(set(clusters))


def test_ranks_share_each_batch():
    whole = made(ClusterSampler, batch_size=8).draw(2)
    shares = [made(ClusterSampler, batch_size=8, rank=rank, world=2) for rank in (0, 1)]
    for sampler in shares:
        sampler.set_epoch(2)
    first, second = (list(sampler) for sampler in shares)
    dealt = [first[4 * k : 4 * k + 4] + second[4 * k : 4 * k + 4] for k in range(len(whole))]
    assert dealt == whole


@pytest.mark.parametrize("kind", [ClusterSampler, CrossCameraClusterSampler])
def test_images_without_a_label_are_left_out_with_their_cameras(kind):
    labels = [-1 if position % 4 == 3 else label for position, label in enumerate(LABELS)]
    make = partial(kind, images=4, iterations=20, batch_size=12, seed=1)
    drawn = over_labelled(make, labels, CAMERAS).draw(0)
    assert all(labels[position] != -1 for batch in drawn for position in batch)
    if kind is CrossCameraClusterSampler:
        flat = [position for batch in drawn for position in batch]
        zero = [position for position in flat if LABELS[position] == 0]
        assert len({CAMERAS[position] for position in zero}) == 3
    kept = [position for position, label in enumerate(labels) if label != -1]
    among = make(
        labels=[labels[k] for k in kept],
        **({"cameras": [CAMERAS[k] for k in kept]} if kind is CrossCameraClusterSampler else {}),
    )
    assert drawn == [[kept[k] for k in batch] for batch in among.draw(0)]


def test_a_sampler_that_reads_no_cameras_gets_none():
    sampler = over_labelled(partial(ShuffleSampler, batch_size=4), LABELS, CAMERAS)
    assert isinstance(sampler, ShuffleSampler)


def test_too_few_clusters_are_refused_when_an_epoch_is_drawn():
    sampler = made(ClusterSampler, batch_size=32)
    with pytest.raises(ValueError, match=r"^batch_size=32: 5 clusters and up to 4 images of each give 17, which fill"):
        sampler.draw(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": 1}, "^images=1: a batch has 2 images of a cluster or more"),
        ({"iterations": 0}, "^iterations=0: an epoch has 1 batch or more"),
        ({"batch_size": 9, "world": 2}, "^batch_size=9: cannot be dealt evenly over 2 ranks"),
    ],
)
def test_numbers_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        made(ClusterSampler, **settings)
