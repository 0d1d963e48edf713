from types import SimpleNamespace

import pytest

from reid_lit.data.sets.cuhk_sysu import CUHKSYSU, SAMPLE, read


def test_crops_that_are_not_divided_all_train(tmp_path):
    root = SAMPLE.write(tmp_path / "cuhk_sysu")
    split = read(root)
    assert split == read(tmp_path)
    assert [(s.path.name, s.person_id, s.camera_id) for s in split.train] == [
        ("p1_s10_10.jpg", 1, 0),
        ("p1_s3_3.jpg", 1, 0),
        ("p2_s10_10.jpg", 2, 0),
        ("p2_s3_3.jpg", 2, 0),
    ]
    assert (split.query, split.gallery) == ((), ())
    (root / "cropped_images").rename(root / "cropped_image")
    assert len(read(root).train) == 4
    (root / "cropped_image").rename(root / "bounding_box_train")
    (root / "bounding_box_train" / "0007_c1_1.jpg").touch()
    assert [s.person_id for s in read(root).train] == [1, 1, 2, 2, 7]


def test_a_divided_copy_has_a_test_without_cameras(plant, tmp_path):
    names = ["train/00001_s2_0000001_0.jpg", "query/00002_s5_0000002_1.jpg", "gallery/00002_s6_0000003_0.jpg"]
    root = plant(tmp_path / "cuhksysu4reid", names)
    split = read(root)
    assert [[s.person_id for s in shots] for shots in (split.train, split.query, split.gallery)] == [[1], [2], [2]]
    assert split.rules.camera_rule == "any_camera"
    assert {s.camera_id for s in split.shots} == {0}
    assert [s.person_id for s in read(root, train_on="all").train] == [1, 2, 2]
    plant(root, ["gallery/00001_s8_0000004_0.jpg"])
    with pytest.raises(ValueError, match="1 person is in training and in query or gallery"):
        read(root)


def test_everybody_is_who_the_copy_holds_and_a_part_is_said(plant, tmp_path):
    names = ["train/00001_s2_0000001_0.jpg", "query/00002_s5_0000002_1.jpg", "gallery/00002_s6_0000003_0.jpg"]
    root = plant(tmp_path / "cuhksysu4reid", names)
    assert read(root, train_on="all").notes[-1] == "3 images of 2 persons, while the whole set has 34,574 of 11,934"
    everybody = [f"combine/{person:05}_s{person}_{person:07}_0.jpg" for person in (1, 2, 3)]
    plant(root, everybody)
    split = read(root, train_on="all")
    assert [s.path.relative_to(root).as_posix() for s in split.train] == everybody
    assert split.notes[0].startswith("crops of combine/; ")
    assert split.notes[-1].startswith("3 images of 3 persons, ")
    divided = read(root)
    assert [len(divided.train), len(divided.query), len(divided.gallery)] == [1, 1, 1]
    assert "whole set" not in divided.notes[-1]
    reader = SimpleNamespace(root=root, train_on="all")
    assert sorted(CUHKSYSU.parts(reader)) == ["combine", "gallery", "query", "train"]
    assert CUHKSYSU.official(reader)["train"].images == 34574
    reader.train_on = "split"
    assert not CUHKSYSU.official(reader)


def test_what_is_missing_or_unknown_is_said(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"CUHK-SYSU: no cropped_images/ or .* in .*cropped_images/p1_s2_1\.jpg"
    ):
        read(tmp_path)
    with pytest.raises(ValueError, match="train_on='half': unknown"):
        read(SAMPLE.write(tmp_path), train_on="half")
