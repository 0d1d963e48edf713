from collections import Counter
from functools import partial

import pytest

from reid_lit.data.feeding.samplers import PersonSampler, ShuffleSampler
from reid_lit.data.feeding.shares import SharesSampler
from reid_lit.data.feeding.whole_epochs import WholeShuffleSampler

SETS = [0] * 48 + [1] * 12 + [2] * 12
LABELS = [*(k // 4 for k in range(48)), *(12 + k // 2 for k in range(24))]


def sharing(kind=ShuffleSampler, shares=(2, 1, 1), world=1, rank=0, batch_size=8, labels=LABELS, **options):
    return SharesSampler(
        sampler=partial(partial(kind, **options)),
        shares=shares,
        sets=SETS,
        labels=labels,
        cameras=[0] * len(SETS),
        batch_size=batch_size,
        rank=rank,
        world=world,
        seed=2,
    )


def cut(positions, size):
    return [positions[start : start + size] for start in range(0, len(positions), size)]


@pytest.mark.parametrize(
    ("kind", "options"), [(ShuffleSampler, {}), (PersonSampler, {"persons": 8, "images": 2, "repeat": False})]
)
@pytest.mark.parametrize("shares", [(2, 1, 1), (1, 2, 1)])
def test_every_batch_has_the_shares_whatever_the_sets_sizes(kind, options, shares):
    sampler = sharing(kind, shares=shares, batch_size=16, **options)
    batches = cut(list(sampler), 16)
    plain = kind(labels=LABELS, batch_size=16, seed=2, **options)
    assert len(batches) == sampler.batches() == plain.batches()
    for batch in batches:
        assert Counter(SETS[k] for k in batch) == {number: 4 * share for number, share in enumerate(shares)}
        if options:
            assert set(Counter(LABELS[k] for k in batch).values()) == {2}


@pytest.mark.parametrize("left_out", [0, 3])
def test_an_epoch_is_as_long_as_without_shares(left_out):
    """A person of six images gives four of them to a draw of four: 14 chunks of four where 72 images would fill 18."""
    labels = [*(k // 6 for k in range(48)), *(8 + k // 4 for k in range(24))]
    labels[:left_out] = [-1] * left_out
    options = {"persons": 8, "images": 4, "repeat": False}
    known = [label for label in labels if label >= 0]
    for world in (1, 2):
        plain = PersonSampler(labels=known, batch_size=32, world=world, seed=2, **options)
        lengths = {
            len(list(sharing(PersonSampler, labels=labels, batch_size=32, world=world, rank=rank, **options))) * world
            for rank in range(world)
        }
        assert lengths == {32 * plain.batches()} == {32}


def test_a_small_set_is_drawn_anew_and_a_large_one_in_part():
    seen = Counter(list(sharing()))
    assert {number: {seen[k] for k in range(72) if SETS[k] == number} for number in range(3)} == {
        0: {0, 1}, 1: {1, 2}, 2: {1, 2},
    }  # fmt: skip


def test_epochs_differ_and_repeat():
    first, second = sharing(), sharing()
    assert first.draw(0) == second.draw(0) != first.draw(1)


@pytest.mark.parametrize(
    ("kind", "options"), [(ShuffleSampler, {}), (PersonSampler, {"persons": 8, "images": 2, "repeat": False})]
)
def test_ranks_share_a_batch_and_each_has_the_same_shares(kind, options):
    whole = cut(list(sharing(kind, batch_size=16, **options)), 16)
    halves = [cut(list(sharing(kind, batch_size=16, world=2, rank=rank, **options)), 8) for rank in (0, 1)]
    for batch, *parts in zip(whole, *halves, strict=True):
        assert sorted(parts[0] + parts[1]) == sorted(batch)
        assert [Counter(SETS[k] for k in part) for part in parts] == [{0: 4, 1: 2, 2: 2}] * 2


def test_images_without_a_label_are_left_out():
    labels = [-1 if k % 4 == 0 else label for k, label in enumerate(LABELS)]
    assert all(labels[k] >= 0 for k in sharing(labels=labels))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": (1, 1)}, r"^shares=\[1, 1\]: give a whole number above 0 for each of the 3 members"),
        ({"shares": (1, 0, 1)}, r"^shares=\[1, 0, 1\]: give a whole number above 0"),
        ({"batch_size": 6}, r"^batch_size=6: cannot be cut by shares=\[2, 1, 1\]; set it to a multiple of 4"),
        (
            {"kind": PersonSampler, "persons": 2, "images": 4, "repeat": False},
            r"^persons=2: cannot be cut by shares=\[2, 1, 1\]; set it to a multiple of 4",
        ),
        (
            {"kind": PersonSampler, "persons": 4, "images": 2, "repeat": False},
            r"^persons=1: a batch holds one person .*; this is for the part of member 1 in a batch",
        ),
        ({"kind": WholeShuffleSampler, "batch_size": 20}, r"keeps the incomplete last batch, .* member 0 in a batch"),
    ],
)
def test_shares_that_no_batch_has_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        sharing(**changes)
