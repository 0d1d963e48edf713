"""Persons whom several data sets show on different images."""

from dataclasses import replace
from pathlib import Path

import pytest

from reid_lit.data.families import member, of_known_persons
from reid_lit.data.sets import cuhk01, cuhk02, cuhk03, market1501, msmt17, transfer
from reid_lit.data.sets.cuhk03_parts import Options
from reid_lit.data.sets.cuhk03_sample import sample
from reid_lit.errors import InputError
from reid_lit.records import Shot, absolute
from reid_lit.run.lineage import check_apart
from reid_lit.testing.unseen import learnt_images


def split_of(read, sample, root, **choices):
    for name, content in (dict.fromkeys(sample.images, b"") | dict(sample.files)).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content or str(root / name).encode())  # no file is a copy of another
    return read(root, **choices)


def cuhk03_of(kind, root, **choices):
    options = Options(images=kind)
    return split_of(cuhk03.read, sample(options), root / kind, options=options, **choices)


def shown(tested, learnt):
    """What is known of the images of the tests of a split, after a training on another."""
    return {learnt_images(replace(test, train=tested.train), absolute(learnt.train))[1] for test in tested.tested}


def test_a_person_of_cuhk03_is_known_on_other_crops(tmp_path):
    detected, everybody = cuhk03_of("detected", tmp_path), cuhk03_of("labeled", tmp_path, train_on="all")
    assert shown(detected, cuhk03_of("labeled", tmp_path)) == {""}  # its training persons are not tested
    assert shown(detected, everybody) == {"4 images of persons that were trained on in other images (CUHK03)"}


def test_the_persons_of_cuhk03_have_one_numbering():
    for paths in (
        ("images_labeled/5_049_2_10.jpg", "labeled/query/1467_c2_10.png"),
        ("images_detected/3_001_1_01.png", "detected/bounding_box_train/1284_c1_1.png"),
    ):
        assert len({member(f"/data/{path}") for path in paths}) == 1
    assert member("/data/images_detected/6_001_1_01.png") is None


def test_the_versions_of_msmt17_show_the_same_persons(tmp_path):
    first = split_of(msmt17.read, msmt17.SAMPLE, tmp_path / "1")
    names = {"train/": "mask_train_v2/", "test/": "mask_test_v2/"}
    images = {
        place + name.removeprefix(old): who
        for name, who in msmt17.SAMPLE.images.items()
        for old, place in names.items()
        if name.startswith(old)
    }
    second = replace(msmt17.SAMPLE, images=images)
    assert shown(split_of(msmt17.read, second, tmp_path / "2"), first) == {""}
    everybody = split_of(msmt17.read, second, tmp_path / "3", train_on="all")
    assert shown(first, everybody) == {"2 images of persons that were trained on in other images (MSMT17)"}


def test_cuhk01_is_not_tested_by_who_has_learnt_from_its_persons_under_other_numbers(tmp_path):
    one = split_of(cuhk01.read, cuhk01.sample(), tmp_path / "cuhk01")
    two = split_of(cuhk02.read, cuhk02.SAMPLE, tmp_path / "cuhk02")
    whose = "(CUHK01, which CUHK02's pair P1 numbers otherwise)"
    assert shown(one, two) == {f"8 images of persons that were trained on in other images {whose}"}
    assert shown(two, one) == shown(one, one) == {""}  # the tested pair P5 shows others, and the other half too
    copy = split_of(cuhk01.read, cuhk01.sample(), tmp_path / "copy", train_on="all")
    (what,) = shown(one, copy)
    assert what.endswith("in other images (CUHK01)")


def test_a_target_whose_persons_the_source_shows_on_other_crops_is_none(tmp_path):
    detected, labeled = cuhk03_of("detected", tmp_path), cuhk03_of("labeled", tmp_path, train_on="all")
    with pytest.raises(
        InputError, match=r"target=cuhk03: 4 training images show persons of the source on other images"
    ):
        transfer.transfer(labeled, detected)
    with pytest.raises(
        InputError, match=r"^4 of the 4 training images of cuhk03 show persons of the source \(CUHK03\)"
    ):
        check_apart(detected.train, absolute(labeled.train), name="cuhk03")


def test_other_data_sets_have_no_family():
    market = absolute(Shot(Path("/m") / name, 1, 0) for name in market1501.SAMPLE.images)
    assert of_known_persons(market, market) == ([], "")
