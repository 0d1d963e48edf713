"""An image has one name however its data set's root is written: it is never source and target, nor trained and tested on."""

import pytest
import torch
from tests.testing.test_embeddings_file import ORIGIN, Embeddings

from reid_lit.data.feeding.images import bad_images
from reid_lit.data.sets.transfer import transfer
from reid_lit.health.domains import watched_images
from reid_lit.pages.rankings import _columns
from reid_lit.records import JUNK, Shot, Split, absolute, absolute_path, common_images
from reid_lit.run.datasets import make_data
from reid_lit.run.lineage import Lineage, check_apart, read_lineage
from reid_lit.testing import tests as testing
from reid_lit.testing.distractors import Source, _key, behind
from reid_lit.testing.embeddings_file import images_of, write
from reid_lit.testing.unseen import check_unseen


@pytest.fixture
def ways(drawn, tmp_path, monkeypatch):
    """The lists of the tiny plaza, by a root from the top and by one that leads up first."""
    (tmp_path / "data").symlink_to(drawn)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return str(tmp_path / "data"), "../data"


@pytest.fixture
def read(compose, ways):
    """A data set with its lists, by the number of the way; what is trained on is as large as what is drawn."""

    def make(way):
        data = make_data(
            compose("dataset=synthetic", "dataset.size=tiny", f"data_root={ways[way]}", "transform.size=[32,16]")
        )
        data.setup("fit")
        return data

    return make


@pytest.mark.parametrize("source", [0, 1])
def test_the_same_images_are_never_source_and_target(read, source):
    first, second = read(source).split, read(1 - source).split
    assert {shot.path for shot in first.train}.isdisjoint({shot.path for shot in second.train})
    with pytest.raises(ValueError, match="are in the source too, such as /"):
        transfer(first, second)
    with pytest.raises(ValueError, match="are those of the source, such as /"):
        check_apart(second.train, absolute(first.train), name="plaza")


@pytest.mark.parametrize("before", [0, 1])
def test_a_run_by_another_root_is_known_as_the_source(read, tmp_path, before):
    shown = absolute(read(before).split.train)
    Lineage(shown, shown).write(tmp_path)
    domains = watched_images(read(1 - before), sorted(read_lineage(tmp_path).labelled), images=4, seed=0)
    assert set(domains) == {"source"}


@pytest.mark.parametrize("trained", [0, 1])
def test_an_image_that_was_trained_on_is_not_tested_on(read, trained):
    data = read(1 - trained)
    test = testing.Test(data=data, row="plaza", average="", split_id=None)
    check_unseen(absolute(read(trained).split.train), [test])
    with pytest.raises(ValueError, match="that were trained on"):
        check_unseen(absolute(read(trained).split.gallery), [test])


def test_a_distractor_by_another_root_is_known_as_an_image_of_the_test(read, tmp_path):
    gallery = read(1).split.gallery[:3]
    content = Embeddings(origin=ORIGIN, name="plaza", shots={"images": gallery}, embedding={"images": torch.ones(3, 8)})
    stored = images_of(write(tmp_path / "plaza.safetensors", content), "images")
    assert [str(shot.path) for shot in stored] == [absolute_path(shot.path) for shot in gallery]
    source = Source(name="plaza", dataset="", rows=(), shots=stored)
    with pytest.raises(ValueError, match="3 distractors of plaza are images of"):
        behind([source])(read(0).split)
    assert _key(gallery, ORIGIN, "float32") == _key(read(0).split.gallery[:3], ORIGIN, "float32")


def test_rankings_store_the_one_name(read):
    one, other = (_columns(read(way).split.query)["path"] for way in (0, 1))
    assert one == other
    assert not any(".." in path for path in one)


def test_an_image_that_is_listed_by_two_ways_is_listed_twice(compose, read, ways, tmp_path):
    images = read(0).split.train
    lines = [f"{shot.path},{shot.person_id},{shot.camera_id}" for shot in images]
    again = f"../data/{images[0].path.relative_to(ways[0])},{images[0].person_id},{images[0].camera_id}"
    (tmp_path / "work" / "reid.csv").write_text("\n".join(["path,person,camera", *lines, again]))
    with pytest.raises(ValueError, match="an image that is listed already"):
        make_data(compose("dataset=csv", "dataset.root=reid.csv")).read()


def test_good_images_are_remembered_by_the_one_name(read, ways, tmp_path, monkeypatch):
    memory, roots = tmp_path / "memory.json", [f"{root}/synthetic/plaza-tiny-0" for root in ways]
    assert not bad_images([shot.path for shot in read(0).split.query], root=tmp_path / roots[0], memory=memory)
    monkeypatch.setattr("reid_lit.data.feeding.images._read", lambda names, **_: dict.fromkeys(names, "read again"))
    assert not bad_images([shot.path for shot in read(1).split.query], root=type(tmp_path)(roots[1]), memory=memory)


def test_junk_has_a_name_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    split = Split("a", (Shot(tmp_path / "x" / ".." / "a.jpg", JUNK, 0),), (), ())
    assert absolute(split.train) == {str(tmp_path / "a.jpg")}


def test_images_are_the_same_whatever_link_leads_to_them(tmp_path):
    (tmp_path / "crops").mkdir()
    (tmp_path / "linked").symlink_to("crops")
    trained = [str(tmp_path / "crops" / name) for name in ("1.jpg", "2.jpg")]
    tested = [str(tmp_path / "linked" / name) for name in ("2.jpg", "3.jpg")]
    assert common_images(tested, trained) == tested[:1]
    assert common_images(trained, [str(tmp_path / "other" / "1.jpg")]) == []
