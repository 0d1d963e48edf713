import dataclasses
from pathlib import Path

import pytest
import torch

from reid_lit.data.feeding.samplers import PersonSampler, ShuffleSampler
from reid_lit.data.feeding.whole_epochs import WholeShuffleSampler
from reid_lit.data.sets.joint import join
from reid_lit.data.sets.transfer import TransferSampler, transfer
from reid_lit.records import JUNK, Rules, Shot, Split, TransferBatch
from reid_lit.run.datasets import make_data

PLAZA, CAMPUS = ("{dataset: synthetic, size: tiny, world: " + world + "}" for world in ("plaza", "campus"))
SMALL = ("transform.size=[32,16]", "sampler=person", "sampler.persons=4", "sampler.images=2", "loader.batch_size=8")


def shots(name, *entries):
    return tuple(Shot(path=Path(f"{name}/{person}_{camera}.jpg"), person_id=person, camera_id=camera) for person, camera in entries)  # fmt: skip


def split(name, **changes):
    lists = {"train": ((1, 0), (3, 1), (JUNK, 0)), "query": ((2, 3),), "gallery": ((2, 1), (JUNK, 2))}
    return Split(name=name, **({kind: shots(name, *entries) for kind, entries in lists.items()} | changes))


def test_the_target_loses_its_persons_and_its_cameras_follow_the_sources():
    got = transfer(split("a"), split("b", rules=Rules(ap="sklearn")))
    assert [(shot.path.parent.name, shot.person_id, shot.camera_id) for shot in got.train] == [
        ("a", 1, 0), ("a", 3, 1), ("b", JUNK, 4), ("b", JUNK, 5), ("b", JUNK, 4),
    ]  # fmt: skip
    assert (got.name, got.query, got.gallery, got.rules.ap) == ("b", split("b").query, split("b").gallery, "sklearn")
    assert any("adapted from a (2 labelled images) to 3 training images of b" in note for note in got.notes)


def test_a_joint_source_keeps_its_persons_and_cameras_apart():
    got = transfer(join([split("a"), split("b")]), split("c"))
    assert {shot.person_id for shot in got.train if shot.path.parent.name == "a"} == {1, 3}
    assert {shot.person_id for shot in got.train if shot.path.parent.name == "b"} == {5, 7}
    assert min(shot.camera_id for shot in got.train if shot.path.parent.name == "c") == 8 - 2 * 1


def test_what_cannot_be_transferred_is_refused():
    unlabelled = split("a", train=shots("a", (JUNK, 0), (1, 0)))
    with pytest.raises(ValueError, match=r"^source=a: it has no two training persons with labels"):
        transfer(unlabelled, split("b"))
    with pytest.raises(ValueError, match=r"^target=b: it has no training images to adapt to"):
        transfer(split("a"), split("b", train=()))
    with pytest.raises(ValueError, match=r"^target=\w+: 3 training images are in the source too"):
        transfer(split("a"), split("a"))


@pytest.mark.parametrize("world", [1, 2])
def test_each_rank_gets_its_share_of_the_source_then_of_the_target(world):
    source = [ShuffleSampler(labels=range(20), batch_size=4, rank=r, world=world, seed=3) for r in range(world)]
    target = [ShuffleSampler(labels=range(7), batch_size=2, rank=r, world=world, seed=3) for r in range(world)]
    pairs = [TransferSampler(source=s, target=t, offset=20, world=world) for s, t in zip(source, target, strict=True)]
    for pair in pairs:
        pair.set_epoch(2)
    per_rank = [list(pair) for pair in pairs]
    assert [len(own) for own in per_rank] == [len(pairs[0])] * world
    share = pairs[0].share
    whole = [[own[k * share : (k + 1) * share] for own in per_rank] for k in range(5)]
    labelled = [[i for own in batch for i in own[: 4 // world]] for batch in whole]
    other = [[i - 20 for own in batch for i in own[4 // world :]] for batch in whole]
    alone = ShuffleSampler(labels=range(20), batch_size=4, seed=3).draw(2)
    assert labelled == alone
    rounds = ShuffleSampler(labels=range(7), batch_size=2, seed=3)
    assert other == (rounds.draw(4) + rounds.draw(5))[:5]


def test_no_round_of_the_target_repeats_another():
    pair = TransferSampler(
        source=PersonSampler(persons=2, images=2, repeat=False, labels=[0, 0, 1, 1, 2, 2, 3, 3] * 4, batch_size=4),
        target=ShuffleSampler(labels=range(9), batch_size=3), offset=32, world=1,
    )  # fmt: skip
    draws = [tuple(batch[4:]) for epoch in range(3) for batch in pair.draw(epoch)]
    assert len(draws) == len(set(draws))


@pytest.fixture
def data(compose, drawn):
    made = make_data(
        compose(
            "dataset=transfer", f"dataset.source={PLAZA}", f"dataset.target={CAMPUS}", "dataset.target_batch_size=6",
            "machine.workers=0", f"data_root={drawn}", *SMALL,
        )
    )  # fmt: skip
    made.setup("fit")
    return made


def test_a_batch_holds_both_domains_and_no_person_of_the_target(data):
    batch = next(iter(data.train_dataloader()))
    assert isinstance(batch, TransferBatch)
    assert (batch.source.image.shape, batch.target.image.shape) == ((8, 3, 32, 16), (6, 3, 32, 16))
    assert batch.target.person.tolist() == [JUNK] * 6
    assert 0 <= int(batch.source.person.min()) <= int(batch.source.person.max()) < data.persons
    assert int(batch.source.camera.max()) < data.camera_counts[0] <= int(batch.target.camera.min())
    assert int(batch.target.camera.max()) < data.cameras == sum(data.camera_counts)
    assert torch.equal(batch.index, torch.cat([batch.source.index, batch.target.index]))
    folders = [{data.split.train[i].path.parents[1].name for i in part.index.tolist()} for part in batch]
    assert folders == [{"plaza-tiny-0"}, {"campus-tiny-0"}]
    moved = data.on_after_batch_transfer(batch, 0)
    assert {part.image.dtype for part in moved} == {torch.float32}


def test_an_incomplete_last_batch_of_the_source_is_refused(data):
    data.sampler = WholeShuffleSampler
    labelled = sum(label != JUNK for label in data._labels)
    data.loader = dataclasses.replace(data.loader, batch_size=labelled - 2)
    with pytest.raises(ValueError, match=r"keeps the incomplete last batch, .* set sampler=shuffle$"):
        data._sampler(0, 1)


def test_it_is_tested_on_the_target(data):
    assert data.split.name == "synthetic_campus"
    assert all("campus-tiny-0" in str(shot.path) for shot in (*data.split.query, *data.split.gallery))
    assert [len(member.members) if hasattr(member, "members") else member.world for member in data.members] == ["plaza", "campus"]  # fmt: skip


def test_persons_of_the_target_are_not_read(data):
    own = dataclasses.replace(data.target.read())
    blind = dataclasses.replace(own, train=tuple(dataclasses.replace(shot, person_id=0) for shot in own.train))
    assert transfer(data.source.read(), blind).train == transfer(data.source.read(), own).train


def test_the_names_of_the_command_line(compose, drawn):
    several = make_data(
        compose(
            "dataset=transfer",
            "dataset.source=[market1501,{dataset: viper, split_id: 0}]",
            "dataset.target={dataset: ward, root: /w}",
        )
    )
    assert [type(member).__name__ for member in several.members] == ["Market1501", "Viper", "Ward"]
    assert str(several.target.root) == "/w"
    with pytest.raises(ValueError, match=r"dataset\.target: ward_pairs stands for several splits; choose one"):
        make_data(compose("dataset=transfer", "dataset.target=ward_pairs"))


def test_a_target_batch_that_cannot_be_filled_is_refused(compose, drawn):
    made = make_data(
        compose(
            "dataset=transfer", f"dataset.source={PLAZA}", f"dataset.target={CAMPUS}", f"data_root={drawn}",
            "dataset.target_batch_size=5000", *SMALL,
        )
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"^target_batch_size=5000: .* at most the target's \d+ training"):
        made.setup("fit")
