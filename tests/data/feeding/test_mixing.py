"""Batches of real and of generated images."""

import itertools

import pytest

from reid_lit.data.feeding.mixing import MixedSampler
from reid_lit.data.feeding.samplers import PersonSampler, ShuffleSampler
from reid_lit.data.feeding.whole_epochs import WholeShuffleSampler


def mixed(rank=0, world=1, *, fakes=7, batch_size=2, real=None):
    real = real or ShuffleSampler(labels=range(20), batch_size=4, rank=rank, world=world, seed=3)
    return MixedSampler(real=real, offset=20, fakes=fakes, batch_size=batch_size)


@pytest.mark.parametrize("world", [1, 2])
def test_each_rank_gets_its_share_of_the_real_images_then_of_the_generated_ones(world):
    per_rank = []
    for rank in range(world):
        sampler = mixed(rank, world)
        sampler.set_epoch(2)
        positions = list(sampler)
        assert len(positions) == len(sampler) == 5 * 6 // world
        per_rank.append([positions[k : k + 6 // world] for k in range(0, len(positions), 6 // world)])
    real, fake = ([], [])
    for shares in zip(*per_rank, strict=True):
        real.append([k for share in shares for k in share[: 4 // world]])
        fake.append([k for share in shares for k in share[4 // world :]])
    assert real == ShuffleSampler(labels=range(20), batch_size=4, seed=3).draw(2)
    assert all(20 <= k < 27 for batch in fake for k in batch)
    one = [(batch[:4], batch[4:]) for batch in mixed().draw(2)]
    assert list(zip(real, fake, strict=True)) == one


def test_generated_images_go_on_from_epoch_to_epoch_as_those_of_a_loader_that_is_begun_anew_when_it_ends():
    sampler = mixed()  # 5 steps an epoch of 2 generated images, of 7: 3 steps a round
    got = [batch[4:] for epoch in range(6) for batch in sampler.draw(epoch)]
    shuffled = ShuffleSampler(labels=range(7), batch_size=2, seed=3)
    endless = (batch for each in itertools.count() for batch in shuffled.draw(each))
    assert got == [[20 + k for k in next(endless)] for _ in range(30)]
    assert sampler.draw(4) == mixed().draw(4)  # an epoch is drawn without those before it: a run that is resumed


def test_persons_by_images_stay_batches_of_persons():
    labels = [k // 5 for k in range(20)]
    real = PersonSampler(persons=2, images=2, repeat=False, labels=labels, batch_size=4)
    for batch in mixed(real=real).draw(0):
        assert sorted([labels[k] for k in batch[:4]].count(label) for label in {labels[k] for k in batch[:4]}) == [2, 2]


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(ValueError, match=r"^fakes_batch_size=8: .*at most the 7 generated images"):
        mixed(batch_size=8)
    with pytest.raises(ValueError, match=r"^fakes_batch_size=3: it has to be a multiple of the 2 ranks"):
        mixed(world=2, batch_size=3)
    with pytest.raises(ValueError, match="keeps the incomplete last batch"):
        mixed(real=WholeShuffleSampler(labels=range(19), batch_size=4))
