import itertools
import random
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_lit.data.feeding.samplers import BlockSampler, PersonSampler, ShuffleSampler, draw_chunks
from reid_lit.data.feeding.uniform_persons import UniformPersonSampler, draw_images
from reid_lit.data.feeding.whole_epochs import WholeShuffleSampler

BY_PERSON = [PersonSampler, UniformPersonSampler]


def global_batches(kind, *, world, epoch=0, batch_size, **given_to_it):
    """The batches of all ranks, put together as one process would see them."""
    share = batch_size // world
    ranks = []
    for rank in range(world):
        sampler = kind(batch_size=batch_size, rank=rank, world=world, **given_to_it)
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        assert len(drawn) == len(sampler)
        ranks.append([drawn[start : start + share] for start in range(0, len(drawn), share)])
    assert len({len(batches) for batches in ranks}) == 1
    return [[position for batch in batches for position in batch] for batches in zip(*ranks, strict=True)]


labels_strategy = st.lists(st.integers(1, 12), min_size=1, max_size=12).map(
    lambda counts: [person for person, count in enumerate([5, *counts]) for _ in range(count)]
)


@pytest.mark.parametrize("kind", BY_PERSON)
@given(labels_strategy, st.integers(2, 4), st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))
def test_person_batches(kind, labels, persons, images, seed, epoch):
    persons = min(persons, len(set(labels)))
    sampler = kind(persons=persons, images=images, repeat=False, labels=labels, batch_size=persons * images, seed=seed)
    sampler.set_epoch(epoch)
    drawn = list(sampler)
    assert len(drawn) == len(sampler) > 0
    for start in range(0, len(drawn), persons * images):
        batch = drawn[start : start + persons * images]
        groups = [batch[k : k + images] for k in range(0, len(batch), images)]
        owners = [{labels[position] for position in group} for group in groups]
        assert all(len(owner) == 1 for owner in owners)
        assert len(set.union(*owners)) == persons
        for group, owner in zip(groups, owners, strict=True):
            if labels.count(next(iter(owner))) >= images:
                assert len(set(group)) == images


@given(labels_strategy, st.integers(0, 5), st.integers(0, 5))
def test_epoch_0_uses_no_image_twice_unless_a_person_has_too_few(labels, seed, epoch):
    persons = min(2, len(set(labels)))
    drawn = list(
        PersonSampler(persons=persons, images=3, repeat=False, labels=labels, batch_size=persons * 3, seed=seed)
    )
    owned = Counter(labels)
    repeated = {labels[position] for position, times in Counter(drawn).items() if times > 1}
    assert all(owned[person] < 3 for person in repeated)


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("epoch", [0, 5])
@pytest.mark.parametrize(
    ("kind", "more"),
    [(ShuffleSampler, {}), *((kind, {"persons": 8, "images": 1, "repeat": False}) for kind in BY_PERSON)],
    ids=["shuffle", "person", "uniform"],
)
def test_the_world_does_not_change_a_global_batch(kind, more, world, epoch):
    labels = [person for person in range(9) for _ in range(person + 1)]
    asked = {"labels": labels, "batch_size": 8, "epoch": epoch, "seed": 3, **more}
    assert global_batches(kind, world=1, **asked) == global_batches(kind, world=world, **asked)


@pytest.mark.parametrize(
    ("kind", "more"),
    [(ShuffleSampler, {}), *((kind, {"persons": 8, "images": 1, "repeat": False}) for kind in BY_PERSON)],
    ids=["shuffle", "person", "uniform"],
)
def test_epochs_and_seeds_differ_and_repeat(kind, more):
    labels = [person for person in range(9) for _ in range(person + 1)]
    draws = {
        (seed, epoch): tuple(
            map(tuple, global_batches(kind, world=1, epoch=epoch, seed=seed, labels=labels, batch_size=8, **more))
        )
        for seed in (0, 1)
        for epoch in (0, 1, 2)
    }
    assert len(set(draws.values())) == 6
    resumed = kind(labels=labels, batch_size=8, seed=1, **more)  # a new process that starts in epoch 2
    resumed.set_epoch(2)
    assert list(resumed) == [position for batch in draws[1, 2] for position in batch]


def test_length_is_the_same_in_each_epoch():
    labels = [person for person in range(20) for _ in range(1 + 7 * person % 11)]
    sampler = PersonSampler(persons=4, images=3, repeat=False, labels=labels, batch_size=12)
    lengths = set()
    for epoch in range(30):
        sampler.set_epoch(epoch)
        lengths |= {len(sampler), len(list(sampler))}
    assert len(lengths) == 1


def test_chunks_are_the_strong_baselines():
    source = random.Random(0)
    assert len(draw_chunks([5], 4, source)[0]) == 4
    assert set(draw_chunks([5, 6], 4, source)[0]) <= {5, 6}
    chunks = draw_chunks(range(11), 4, source)
    assert [len(chunk) for chunk in chunks] == [4, 4]
    assert len({position for chunk in chunks for position in chunk}) == 8
    assert sum(len(draw_chunks(range(count), 4, source)) for count in (3, 4, 7, 8)) == 1 + 1 + 1 + 2


def test_uniform_draws_are_p_persons_at_random_with_k_images_for_n_over_pk_batches():
    owned = [40, 12, 9, 5, 2, 1, 8, 4]  # images of each person
    labels = [person for person, count in enumerate(owned) for _ in range(count)]
    sampler = UniformPersonSampler(persons=3, images=4, repeat=False, labels=labels, batch_size=12, seed=1)
    assert sampler.batches() == len(labels) // 12 == 6
    epochs, seen = 800, Counter()
    for epoch in range(epochs):
        batches = sampler.draw(epoch)
        assert len(batches) == 6
        seen.update(frozenset(labels[position] for position in batch) for batch in batches)
    triples = list(itertools.combinations(range(8), 3))
    expected = epochs * 6 / len(triples)
    assert set(seen) == {frozenset(triple) for triple in triples}
    chi_squared = sum((seen[frozenset(triple)] - expected) ** 2 / expected for triple in triples)
    assert chi_squared < 93.2  # one in a thousand random draws of 56 equally likely sets exceeds it
    chunked = PersonSampler(persons=3, images=4, repeat=False, labels=labels, batch_size=12, seed=1)
    drawn = Counter(labels[position] for epoch in range(50) for batch in chunked.draw(epoch) for position in batch[::4])
    assert drawn[0] > 2 * drawn[7]  # what the uniform one is not


def test_uniform_draws_of_images_are_equally_likely_and_repeat_only_what_is_too_few():
    source = random.Random(0)
    seen = Counter(tuple(sorted(draw_images(range(5), 3, source))) for _ in range(5000))
    assert set(seen) == set(itertools.combinations(range(5), 3))
    assert sum((count - 500) ** 2 / 500 for count in seen.values()) < 27.9  # one in a thousand, of 10 sets
    assert [sorted(draw_images([7, 8], 4, source)) for _ in range(3)] == [[7, 7, 8, 8]] * 3  # VIPeR
    assert max(max(Counter(draw_images([1, 2, 3], 4, source)).values()) for _ in range(100)) == 2


def test_the_epoch_of_embae_on_duke():
    labels = [person % 702 for person in range(16522)]
    assert UniformPersonSampler(persons=18, images=4, repeat=False, labels=labels, batch_size=72).batches() == 229
    assert UniformPersonSampler(persons=3, images=4, repeat=True, labels=[0, 1, 2], batch_size=12).batches() == 1


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 7, 12, 13])
def test_blocks_deal_every_image_once_in_the_batches_of_one_process(world, count):
    size = 3
    whole = [list(range(start, min(start + size, count))) for start in range(0, count, size)]
    dealt = {}
    for rank in range(world):
        sampler = BlockSampler(count=count, batch_size=size, rank=rank, world=world)
        positions = list(sampler)
        assert len(positions) == len(sampler)
        dealt |= {rank + world * k: positions[k * size : (k + 1) * size] for k in range(-(-len(positions) // size))}
    assert [dealt[block] for block in sorted(dealt)] == whole


PERSON_ERRORS = [
    (
        {"persons": 16, "images": 4, "batch_size": 64},
        "^persons=16: more than the 2 training persons; set it to 2 or less",
    ),
    ({"persons": 2, "images": 4, "batch_size": 32}, r"^batch_size=32: not .* = 2 × 4 of the sampler; set it to 8"),
    ({"persons": 2, "images": 4, "batch_size": 8, "world": 4}, "^persons=2: cannot be dealt evenly over 4 ranks"),
    ({"persons": 0, "images": 4, "batch_size": 0}, "^persons=0: persons × images is no batch"),
    (
        {"persons": 1, "images": 2, "batch_size": 2},
        "^persons=1: .*one person and so no negative; set it to 2 or more",
    ),
    (
        {"persons": 2, "images": 3, "batch_size": 6},
        r"^images=3: no training person has more than 2, .* set it to 2 or less",
    ),
]


@pytest.mark.parametrize("kind", BY_PERSON)
@pytest.mark.parametrize(("asked", "message"), PERSON_ERRORS)
def test_person_errors_come_at_once(kind, asked, message):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message):
        kind(repeat=False, labels=[0, 0, 1], **asked)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("kind", BY_PERSON)
def test_a_rank_may_get_one_person_whose_negatives_others_have(kind):
    place = {"persons": 2, "images": 2, "repeat": False, "labels": [0, 0, 1, 1], "batch_size": 4, "world": 2}
    dealt = [sorted(kind(rank=rank, **place)) for rank in range(2)]
    assert sorted(dealt) == [[0, 1], [2, 3]]


def test_a_batch_that_ranks_cannot_share_evenly_is_refused():
    class Odd(ShuffleSampler):
        def draw(self, epoch):
            return [*super().draw(epoch), [0, 1, 2]]

    assert [
        len(list(Odd(labels=range(8), batch_size=4))),
        len(list(ShuffleSampler(labels=range(8), batch_size=4))),
    ] == [11, 8]
    with pytest.raises(ValueError, match=r"^Odd drew 3 images, which cannot be dealt evenly over 2 ranks; let it draw"):
        list(Odd(labels=range(8), batch_size=4, world=2))


@pytest.mark.parametrize(
    ("images", "world", "lost"), [(8, 2, 0), (12, 2, 0), (13, 2, 1), (9, 2, 1), (10, 3, 4), (13, 1, 0)]
)
def test_images_that_ranks_cannot_share_are_told(caplog, images, world, lost):
    WholeShuffleSampler(labels=range(images), batch_size=8 if world < 3 else 6, world=world)
    said = [record.getMessage() for record in caplog.records]
    told = f"each epoch leaves out {lost} image{'s' * (lost > 1)} of its last batch, which {world} ranks cannot share"
    assert [text.startswith(told) for text in said] == [True] * bool(lost)


def test_shuffle_errors():
    with pytest.raises(ValueError, match=r"^batch_size=4: 3 training images do not fill one batch"):
        ShuffleSampler(labels=[0, 0, 1], batch_size=4)
    with pytest.raises(ValueError, match=r"^batch_size=33: cannot be dealt evenly over 2 ranks"):
        ShuffleSampler(labels=[0] * 99, batch_size=33, world=2)
    with pytest.raises(ValueError, match=r"^batch_size=0: holds no image"):
        ShuffleSampler(labels=[0], batch_size=0)


def ranks_of(kind, world, **asked):
    """What each rank gets, step by step, as its loader cuts it into batches."""
    share = asked["batch_size"] // world
    made = [kind(rank=rank, world=world, **asked) for rank in range(world)]
    drawn = [list(sampler) for sampler in made]
    assert [len(own) for own in drawn] == [len(sampler) for sampler in made]
    return [[own[start : start + share] for start in range(0, len(own), share)] for own in drawn]


@pytest.mark.parametrize(("images", "sizes"), [(22, [8, 8, 6]), (18, [8, 8, 2]), (17, [8, 8]), (16, [8, 8]), (8, [8])])
def test_a_whole_epoch_keeps_the_incomplete_batch(images, sizes):
    asked = {"labels": range(images), "batch_size": 8, "seed": 3}
    (whole,) = ranks_of(WholeShuffleSampler, 1, **asked)
    assert [len(batch) for batch in whole] == sizes
    assert len({position for batch in whole for position in batch}) == sum(sizes)
    (complete,) = ranks_of(ShuffleSampler, 1, **asked)
    assert whole[: images // 8] == complete


@pytest.mark.parametrize(("images", "last"), [(23, 3), (22, 3), (20, 2), (19, None), (16, None)])
def test_two_ranks_get_equal_shares_of_the_incomplete_batch(images, last):
    asked = {"labels": range(images), "batch_size": 8, "seed": 3}
    ranks, (alone,) = ranks_of(WholeShuffleSampler, 2, **asked), ranks_of(WholeShuffleSampler, 1, **asked)
    assert [[len(batch) for batch in rank] for rank in ranks] == [[4, 4, *([last] if last else [])]] * 2
    for step, parts in enumerate(zip(*ranks, strict=True)):
        together = [position for part in parts for position in part]
        assert together == alone[step][: len(together)]
        assert len(alone[step]) - len(together) <= 1


def test_a_person_with_one_image_shows_it_again():
    sampler = PersonSampler(persons=2, images=4, repeat=False, labels=[0, 1, 1, 1, 1], batch_size=8)
    assert len(list(sampler)) == len(sampler) == 8
