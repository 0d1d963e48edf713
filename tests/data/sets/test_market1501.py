import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reid_lit.data.sets.market1501 import read
from reid_lit.records import JUNK


def names(shots):
    return [shot.path.name for shot in shots]


def without_path(split):
    return [[replace(shot, path=Path(shot.path.name)) for shot in shots] for shots in _lists(split)]


def _lists(split):
    return split.train, split.query, split.gallery


def test_records_are_sorted_by_person_then_name(market):
    split = read(market)
    assert names(split.gallery) == [
        "-1_c1s1_000401_03.jpg",
        "0000_c1s1_000151_01.jpg",
        "0001_c1s1_000301_01.jpg",
        "0001_c3s1_000301_01.jpg",
        "0003_c1s1_000301_01.jpg.jpg",
    ]
    assert names(split.train) == sorted(names(split.train))


def test_times_are_known_within_a_sequence_of_a_camera(market):
    taken = {shot.path.name: shot.taken for shot in read(market).shots}
    assert taken["0001_c3s1_000301_01.jpg"] == ("market1501 c3s1", 301 / 25)
    assert taken["0003_c1s1_000301_01.jpg.jpg"] == ("market1501 c1s1", 301 / 25)
    assert taken["-1_c1s1_000401_03.jpg"].seconds - taken["0000_c1s1_000151_01.jpg"].seconds == 10


def test_cameras_count_from_zero_in_every_list(market):
    split = read(market)
    for shot in (*split.train, *split.query, *split.gallery):
        assert f"_c{shot.camera_id + 1}s" in shot.path.name


def test_double_extension_is_kept_and_other_files_are_passed_over(market):
    split = read(market)
    assert "0003_c5s1_000301_00.jpg.jpg" in names(split.query)
    assert "Thumbs.db" not in names(split.query)


def test_junk_and_distractors_are_kept_with_their_ids(market):
    assert [shot.person_id for shot in read(market).gallery] == [JUNK, 0, 1, 1, 3]


def test_all_persons_train_and_nobody_is_no_person(market):
    split = read(market, train_on="all")
    assert sorted({shot.person_id for shot in split.train}) == [1, 2, 3, 7, 10]
    assert (len(split.train), split.query, split.gallery) == (13, (), ())
    assert split.notes[-1] == "2 images of junk and distractors left out"
    with pytest.raises(ValueError, match="train_on='everyone': unknown; choose one of split, all"):
        read(market, train_on="everyone")


def test_layumi_layout_gives_the_same_records(market, market_layumi):
    assert without_path(read(market)) == without_path(read(market_layumi))
    assert without_path(read(market)) == without_path(read(market_layumi.parent))


@pytest.mark.parametrize("folder", ["Market-1501-v15.09.15", "Market-1501", "market1501"])
def test_parent_folder_finds_the_data_set(market, tmp_path, folder):
    parent = tmp_path / "parent"
    parent.mkdir()
    market.rename(parent / folder)
    assert len(read(parent).train) == 7


@pytest.mark.parametrize("place", ["nothing", "missing"])
def test_missing_root_says_what_was_looked_for_and_the_cure(tmp_path, place):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        read(tmp_path / place)
    message = str(caught.value)
    for part in (str((tmp_path / place).resolve()), "bounding_box_train", "train_all", "pytorch", "$REID_DATA"):
        assert part in message
    assert "dataset.root" in message
    assert "dataset=synthetic" in message
    assert ("no such folder" in message) == (place == "missing")


@pytest.mark.parametrize("folder", ["bounding_box_train", "query", "bounding_box_test"])
def test_missing_folder_is_named(market, folder):
    shutil.rmtree(market / folder)
    with pytest.raises(FileNotFoundError, match=f"no {folder}/ in {re.escape(str(market))}"):
        read(market)


def test_empty_folder_is_named(market):
    shutil.rmtree(market / "query")
    (market / "query").mkdir()
    with pytest.raises(FileNotFoundError, match=rf"no \*\.jpg in {re.escape(str(market / 'query'))}"):
        read(market)


@pytest.mark.parametrize(
    "name",
    [
        "0002_c1s1_000451_03_fake.jpg",
        "x0002_c1s1_000451_03.jpg",
        "00002_c1s1_000451_03.jpg",
        "-2_c1s1_000451_03.jpg",
        "0002_c11s1_000451_03.jpg",
        "0002_c0s1_000451_03.jpg",
        "0002_c1s1_000451_03.JPG",
    ],
)
def test_a_name_that_does_not_parse_is_an_error_not_a_lost_image(market, plant, name):
    plant(market / "bounding_box_train", [name])
    with pytest.raises(ValueError, match=rf"1 of 8 \*\.jpg in .* \(0002_c1s1_000451_03\.jpg\): {re.escape(name)};"):
        read(market)


def test_at_most_three_examples_of_bad_names(market, plant):
    plant(market / "query", [f"bad{number}.jpg" for number in range(9)])
    with pytest.raises(ValueError, match=r"9 of 12 .*: bad0\.jpg, bad1\.jpg, bad2\.jpg;"):
        read(market)


def test_a_file_in_another_persons_folder_is_an_error(market_layumi):
    (market_layumi / "query/0001/0001_c1s1_001051_00.jpg").rename(market_layumi / "query/0003/0001_c1s1_001051_00.jpg")
    with pytest.raises(ValueError, match=r"1 of 3 .*: 0003/0001_c1s1_001051_00\.jpg;"):
        read(market_layumi)


def test_hidden_files_are_no_images(market):
    (market / "query" / "._0001_c1s1_001051_00.jpg").write_bytes(b"left by macOS")
    assert len(read(market).query) == 3


def test_persons_on_both_sides_are_an_error(market, plant):
    plant(market / "bounding_box_train", ["0001_c1s1_009999_01.jpg"])
    with pytest.raises(ValueError, match=r"1 person is in training and in query or gallery .*: 1 \(bounding_box_tr"):
        read(market)


@pytest.mark.parametrize("layumi", [False, True])
def test_official_lists(official, layumi):
    split = read(official("market1501", layumi))
    assert [len(shots) for shots in _lists(split)] == [12936, 3368, 19732]
    assert [len({s.person_id for s in shots}) for shots in _lists(split)] == [751, 750, 752]
    assert sum(shot.person_id == JUNK for shot in split.gallery) == 3819
    assert sum(shot.person_id == 0 for shot in split.gallery) == 2798
    doubled = [sum(name.endswith(".jpg.jpg") for name in names(shots)) for shots in _lists(split)]
    assert doubled == [0, 6, 18]
    cameras = [[sum(s.camera_id == camera for s in shots) for camera in range(6)] for shots in _lists(split)]
    assert cameras == [
        [2017, 1709, 2707, 920, 2338, 3245],
        [668, 530, 717, 248, 622, 583],
        [3156, 2944, 3803, 1671, 3814, 4344],
    ]
    for shots in _lists(split):  # ImageFolder's order
        assert [s.path.name for s in shots] == sorted(names(shots), key=lambda name: (name.split("_")[0], name))
