from functools import partial

import pytest

from reid_lit.data.feeding.samplers import PersonSampler, ShuffleSampler
from reid_lit.data.feeding.selection import SelectionSampler
from reid_lit.data.feeding.whole_epochs import WholeShuffleSampler

LABELS = [4, -1, 4, 2, -1, 2, 4, 0, 0, -1, 2, 2]


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("make", [ShuffleSampler, partial(PersonSampler, persons=2, images=2, repeat=True)])
def test_only_labelled_images_are_drawn_and_dealt_as_the_other_sampler_would(world, make):
    if world == 2 and make is not ShuffleSampler:
        make = partial(PersonSampler, persons=4, images=1, repeat=True)
        labels = [*LABELS, 7]
    else:
        labels = LABELS
    made = [partial(make, batch_size=4, rank=rank, world=world, seed=5) for rank in range(world)]
    ranks = [SelectionSampler(sampler=each, labels=labels) for each in made]
    kept = [position for position, label in enumerate(labels) if label != -1]
    among = made[0](labels=[labels[position] for position in kept])
    for epoch in range(3):
        for sampler in ranks:
            sampler.set_epoch(epoch)
        expected = [[kept[k] for k in batch] for batch in among.draw(epoch)]
        share = 4 // world
        drawn = [list(sampler) for sampler in ranks]
        assert [len(own) for own in drawn] == [len(sampler) for sampler in ranks]
        whole = [[i for own in drawn for i in own[k * share : (k + 1) * share]] for k in range(len(expected))]
        assert whole == expected
        assert len(expected) == ranks[0].batches()


def test_too_few_labelled_images_are_refused():
    with pytest.raises(ValueError, match=r"^batch_size=2: 1 training image does not fill one batch"):
        SelectionSampler(sampler=partial(ShuffleSampler, batch_size=2), labels=[-1, 3, -1])


@pytest.mark.parametrize("world", [1, 2])
def test_an_incomplete_batch_of_the_selected_is_kept(world):
    labels = [*LABELS, 3, -1, 3, 3]  # 12 with a label: a batch of 8, and one of 4
    make = partial(WholeShuffleSampler, batch_size=8, world=world, seed=5)
    ranks = [list(SelectionSampler(sampler=partial(make, rank=rank), labels=labels)) for rank in range(world)]
    kept = [position for position, label in enumerate(labels) if label != -1]
    assert {len(own) for own in ranks} == {len(kept) // world}
    assert sorted(position for own in ranks for position in own) == kept
