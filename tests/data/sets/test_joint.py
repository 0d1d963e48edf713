import dataclasses
import shutil
from pathlib import Path

import pytest

from reid_lit.data.problems import DataError, stop
from reid_lit.data.sets.joint import Joint, join
from reid_lit.data.sets.market1501 import Market1501
from reid_lit.records import JUNK, Rules, Shot, Split


def shots(*entries):
    return tuple(
        Shot(path=Path(f"{person}_{camera}.jpg"), person_id=person, camera_id=camera) for person, camera in entries
    )


def split(name, **changes):
    lists = {
        "train": shots((1, 0), (1, 1), (3, 0)),
        "query": shots((2, 0)),
        "gallery": shots((2, 1), (JUNK, 2), (9, 0)),
    }
    return Split(name=name, **(lists | changes))


def test_persons_and_cameras_of_training_are_disjoint():
    first, second, third = split("a"), split("b", train=shots((1, 0), (JUNK, 1), (2, 1))), split("c")
    joined = join([first, second, third])
    groups = [joined.train[:3], joined.train[3:6], joined.train[6:]]
    persons = [{shot.person_id for shot in group} - {JUNK} for group in groups]
    cameras = [{shot.camera_id for shot in group} for group in groups]
    for group in (persons, cameras):
        assert not group[0] & group[1]
        assert not group[1] & group[2]
        assert not group[0] & group[2]
    assert [len(group) for group in persons] == [2, 2, 2]
    assert [shot.path for shot in joined.train[:3]] == [shot.path for shot in first.train]
    assert joined.train[4].person_id == JUNK


def test_every_set_is_tested_as_it_is_alone():
    pairs = split(
        "w", query=(), gallery=(), tests=(split("w_c1", train=()), split("w_c2", train=(), rules=Rules(ap="sklearn")))
    )
    joined = join([split("a", notes=("drawn",)), pairs])
    assert [test.name for test in joined.tests] == ["a", "w_c1", "w_c2"]
    assert joined.tests[0].query == split("a").query
    assert joined.tests[0].gallery == split("a").gallery
    assert joined.tests[2].rules.ap == "sklearn"
    assert not joined.query
    assert "a: drawn" in joined.notes


def test_tests_that_are_averaged_alone_are_averaged_here():
    directions = split("v", query=(), gallery=(), tests=(split("v_a"), split("v_b")), average="v")
    assert [(test.name, test.average) for test in join([split("a"), directions]).tests] == [
        ("a", ""), ("v_a", "v"), ("v_b", "v"),
    ]  # fmt: skip


def test_members_are_two_or_more_and_differ():
    for members in ([split("a")], [split("a"), split("a")]):
        with pytest.raises(ValueError, match=r"^members=.*needs two members or more, each once"):
            join(members)


def test_a_set_that_only_trains_has_no_test():
    assert [test.name for test in join([split("a"), split("b", query=(), gallery=())]).tests] == ["a"]


def test_a_bad_image_is_looked_for_in_its_own_set(market_data, market, tmp_path):
    shutil.copytree(market, tmp_path / "other")
    victim = sorted(tmp_path.glob("other/bounding_box_train/*.jpg"))[0]
    victim.write_bytes(b"")
    first, second = market_data(), market_data()
    second.root = tmp_path / "other"
    second.read = lambda report=stop: dataclasses.replace(Market1501.read(second, report), name="other")
    parts = {name: getattr(first, name) for name in ("transform", "sampler", "loader")}
    with pytest.raises(DataError, match=r"other.*: empty.*dataset\.root=\S+/other lists"):
        Joint(members=[first, second], **parts).setup("fit")
    joint = Joint(members=[first, second], on_bad_image="drop", **parts)
    joint.setup("fit")
    assert len(joint.split.train) == 13
    assert any(note.startswith("other: 1 of 15 images dropped") for note in joint.split.notes)


def test_a_batch_is_of_one_member_where_members_are_switched(market_data, market, tmp_path):
    shutil.copytree(market, tmp_path / "other")
    first, second = market_data(), market_data()
    second.root = tmp_path / "other"
    second.read = lambda report=stop: dataclasses.replace(Market1501.read(second, report), name="other")
    parts = {name: getattr(first, name) for name in ("transform", "sampler")}
    loader = dataclasses.replace(first.loader, batch_size=3)
    joint = Joint(members=[first, second], switching=True, loader=loader, **parts)
    joint.setup("fit")
    owners = [{joint.split.train[k].path.parent for k in batch.index.tolist()} for batch in joint.train_dataloader()]
    assert len(owners) == 4
    assert [len(owner) for owner in owners] == [1] * 4
    assert len(set.union(*owners)) == 2


def test_each_member_has_its_share_of_a_batch(market_data, market, tmp_path):
    shutil.copytree(market, tmp_path / "other")
    first, second = market_data(), market_data()
    second.root = tmp_path / "other"
    second.read = lambda report=stop: dataclasses.replace(Market1501.read(second, report), name="other")
    parts = {name: getattr(first, name) for name in ("transform", "sampler")}
    loader = dataclasses.replace(first.loader, batch_size=4)
    joint = Joint(members=[first, second], shares=[3, 1], loader=loader, **parts)
    joint.setup("fit")
    assert joint.domains.tolist() == [0] * 7 + [1] * 7
    for batch in joint.train_dataloader():
        assert sorted(joint.domains[batch.index].tolist()) == [0, 0, 0, 1]
    with pytest.raises(ValueError, match=r"^shares=\[3, 1\]: with switching=true each batch is of one member; set"):
        Joint(members=[first, second], shares=[3, 1], switching=True, loader=loader, **parts)
