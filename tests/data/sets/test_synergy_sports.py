from pathlib import Path

import pytest

from reid_lit.data.sets.synergy_parts import hidden_test, sequence
from reid_lit.data.sets.synergy_sports import read

TRAIN = [
    "0001_0001_0003.jpeg",
    "0001_0001_0001.jpeg",
    "0001_0007_0001.jpeg",
    "0002_0002_0002.jpg",
    "0010_0003_0001.jpeg",
]
VAL = ["query/0300_0050_0001.jpeg", "gallery/0300_0050_0002.jpeg", "gallery/0300_0050_0010.jpeg",
       "query/0301_0051_0001.jpeg", "gallery/0301_0051_0002.jpeg"]  # fmt: skip
HIDDEN = ["query/2.jpeg", "query/10.jpeg", "gallery/1.jpeg", "gallery/100.jpeg", "gallery/20.jpeg"]
SPELLINGS = {"vipriors": ("reid_val", "reid_test"), "deepsportradar": ("reid_test", "reid_challenge")}


@pytest.fixture(params=sorted(SPELLINGS))
def synergy(request, plant, tmp_path):
    val, hidden = SPELLINGS[request.param]
    names = [*(f"reid_training/{n}" for n in TRAIN), *(f"{val}/{n}" for n in VAL), *(f"{hidden}/{n}" for n in HIDDEN)]
    return plant(tmp_path / "data_reid", names)


def shown(shots):
    return [(shot.path.name, shot.person_id, shot.camera_id) for shot in shots]


def test_both_spellings(synergy):
    split = read(synergy)
    assert split == read(synergy.parent)
    assert shown(split.train) == [
        ("0001_0001_0001.jpeg", 1, 0),
        ("0001_0001_0003.jpeg", 1, 1),
        ("0001_0007_0001.jpeg", 1, 0),
        ("0002_0002_0002.jpg", 2, 0),
        ("0010_0003_0001.jpeg", 10, 0),
    ]
    assert shown(split.query) == [("0300_0050_0001.jpeg", 300, 0), ("0301_0051_0001.jpeg", 301, 0)]
    assert {shot.camera_id for shot in split.gallery} == {1}
    assert len(split.gallery) == 3
    assert (split.rules.name, split.rules.ap) == ("synergy_sports_val", "sklearn")
    assert read(synergy, ap=None).rules.ap is None


def test_the_hidden_test_in_the_order_of_its_numbers(synergy):
    query, gallery = hidden_test(synergy.parent)
    assert [path.name for path in query] == ["2.jpeg", "10.jpeg"]
    assert [path.name for path in gallery] == ["1.jpeg", "20.jpeg", "100.jpeg"]
    with pytest.raises(ValueError, match=r"labels of the 2 × 3 test images .* not public; set dataset\.test_on=val"):
        read(synergy, test_on="test")


def test_training_on_validation_persons_leaves_nothing_to_test(synergy):
    with pytest.raises(ValueError, match=r"^train_on=trainval: it trains on the persons of test_on=val; set"):
        read(synergy, train_on="trainval")
    split = read(synergy, train_on="trainval", test_on=None)
    assert [len(split.train), len(split.query), len(split.gallery)] == [10, 0, 0]
    assert shown(split.train)[-2:] == [("0301_0051_0001.jpeg", 301, 0), ("0301_0051_0002.jpeg", 301, 1)]
    assert len(read(synergy, test_on=None).train) == 5


def test_sequence(synergy):
    assert sequence(Path("0001_0034_0002.jpeg")) == 34
    assert {sequence(shot.path) for shot in read(synergy).query} == {50, 51}
    with pytest.raises(ValueError, match=r"12\.jpeg: not named like SynergySports"):
        sequence(Path("12.jpeg"))


def test_errors(synergy, plant, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no reid_training/ in .*looked inside it for data_reid.*REID_DATA"):
        read(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"^test_on='valid': unknown; choose one of val, test, null"):
        read(synergy, test_on="valid")
    plant(synergy / "reid_training", ["12.jpeg"])
    with pytest.raises(ValueError, match=r"1 of 6 .* SynergySports \(0012_0034_0001\.jpeg\): 12\.jpeg"):
        read(synergy)
    (synergy / "reid_training" / "12.jpeg").rename(synergy / "reid_training" / "0300_0001_0001.jpeg")
    with pytest.raises(ValueError, match="1 person is in training and in query or gallery"):
        read(synergy)


def test_missing_halves_are_named(plant, tmp_path):
    plant(tmp_path, ["reid_training/0001_0001_0001.jpeg", "reid_test/query/1.jpeg", "reid_test/gallery/2.jpeg"])
    with pytest.raises(FileNotFoundError, match=r"no reid_val/, and no reid_test/ with labels"):
        read(tmp_path)
    plant(tmp_path, ["reid_val/query/0002_0001_0001.jpeg"])
    with pytest.raises(FileNotFoundError, match=r"no gallery/ in .*reid_val"):
        read(tmp_path)
    for path in (tmp_path / "reid_test").rglob("*.jpeg"):
        path.rename(path.with_name("0003_0001_0001.jpeg"))
    with pytest.raises(FileNotFoundError, match=r"no hidden test in .*reid_challenge"):
        hidden_test(tmp_path)
