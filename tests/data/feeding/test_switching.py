import functools
from collections import Counter

import pytest

from reid_lit.data.feeding.samplers import PersonSampler, ShuffleSampler
from reid_lit.data.feeding.switching import SwitchingSampler
from reid_lit.data.feeding.uniform_persons import UniformPersonSampler
from reid_lit.data.feeding.whole_epochs import WholeShuffleSampler

SETS = [0] * 24 + [1] * 12 + [2] * 6
LABELS = [*(k // 4 for k in range(24)), *(6 + k // 3 for k in range(12)), *(10 + k // 2 for k in range(6))]


def switching(kind=ShuffleSampler, world=1, rank=0, epoch=0, **options):
    drawn = SwitchingSampler(
        sampler=functools.partial(kind, **options),
        sets=SETS,
        labels=LABELS,
        batch_size=6,
        rank=rank,
        world=world,
        seed=2,
    )
    drawn.set_epoch(epoch)
    return drawn


def cut(positions, size=6):
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def test_each_batch_is_of_one_set_and_every_image_comes_once():
    drawn = list(switching())
    assert sorted(drawn) == list(range(42))
    owners = [{SETS[position] for position in batch} for batch in cut(drawn)]
    assert all(len(owner) == 1 for owner in owners)
    assert Counter(owner.pop() for owner in owners) == {0: 4, 1: 2, 2: 1}


@pytest.mark.parametrize("kind", [PersonSampler, UniformPersonSampler])
def test_the_batches_are_those_that_each_set_gives_alone(kind):
    drawn = [tuple(batch) for batch in cut(list(switching(kind, persons=3, images=2, repeat=False, epoch=4)))]
    expected = []
    for number in range(3):
        own = [position for position, of in enumerate(SETS) if of == number]
        labels = [LABELS[position] for position in own]
        alone = kind(persons=3, images=2, repeat=False, labels=labels, batch_size=6, seed=2)
        expected += [tuple(own[k] for k in batch) for batch in alone.draw(4)]
    assert len(drawn) == switching(kind, persons=3, images=2, repeat=False).batches()
    assert sorted(drawn) == sorted(expected)
    assert drawn != expected


def test_the_sets_come_in_another_order_in_each_epoch():
    orders = {tuple(SETS[batch[0]] for batch in cut(list(switching(epoch=epoch)))) for epoch in range(8)}
    assert len(orders) > 1


@pytest.mark.parametrize(
    ("kind", "options"), [(ShuffleSampler, {}), (PersonSampler, {"persons": 6, "images": 1, "repeat": False})]
)
def test_the_world_does_not_change_a_global_batch(kind, options):
    sets = {"sets": SETS[:36], "labels": [k // 2 for k in range(36)], "batch_size": 6}
    whole, *halves = (
        list(SwitchingSampler(sampler=functools.partial(kind, **options), world=world, rank=rank, **sets))
        for world, rank in ((1, 0), (2, 0), (2, 1))
    )
    assert [a + b for a, b in zip(*(cut(half, 3) for half in halves), strict=True)] == cut(whole)


def test_persons_with_fewer_images_than_asked_for_are_refused_unless_repeats_are_wanted():
    with pytest.raises(
        ValueError, match=r"^images=3: no training person has more than 2, .*or repeat=true .* for member 2"
    ):
        switching(PersonSampler, persons=2, images=3, repeat=False)
    drawn = cut(list(switching(PersonSampler, persons=2, images=3, repeat=True)))
    assert all(len({LABELS[position] for position in batch}) == 2 for batch in drawn)


def test_a_set_that_gives_no_batch_is_named():
    with pytest.raises(
        ValueError, match=r"^persons=6: more than the 4 training persons; .* for member 1 alone, as each batch"
    ):
        switching(PersonSampler, persons=6, images=1, repeat=False)


def test_incomplete_batches_are_refused():
    with pytest.raises(ValueError, match=r"keeps the incomplete last batch, .* set sampler=shuffle; .* member 1 alone"):
        SwitchingSampler(sampler=WholeShuffleSampler, sets=[0] * 8 + [1] * 6, labels=[0] * 14, batch_size=4)
