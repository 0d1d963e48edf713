import logging

import pytest

from reid_lit.data.sets import dukemtmc

TREE = [
    "bounding_box_train/0001_c2_f0046182.jpg",
    "bounding_box_train/0001_c8_f0046302.jpg",
    "query/0005_c2_f0046985.jpg",
    "bounding_box_test/0005_c1_f0044158.jpg",
    "bounding_box_test/7140_c1_f0044278.jpg",
]


def test_small_tree(plant, tmp_path):
    plant(tmp_path / "dukemtmc-reid" / "DukeMTMC-reID", TREE)
    split = dukemtmc.read(tmp_path)
    assert [(shot.person_id, shot.camera_id) for shot in split.train] == [(1, 1), (1, 7)]
    assert [(shot.person_id, shot.camera_id) for shot in split.gallery] == [(5, 0), (7140, 0)]


def test_times_are_those_of_the_common_clock(plant, tmp_path):
    """The first frames of all cameras are on it; two frames of different numbers may be one moment."""
    names = ("0005_c2_f0046985.jpg", "0005_c1_f0044158.jpg", "0005_c5_f0050591.jpg")
    plant(tmp_path, [*TREE, *(f"bounding_box_test/{name}" for name in names[1:])])
    split = dukemtmc.read(tmp_path)
    taken = {shot.path.name: shot.taken for shot in split.shots}
    assert {moment.clock for moment in taken.values()} == {"dukemtmc"}
    assert [taken[name].seconds * 60 for name in names] == pytest.approx([3607 + 46984, 5543 + 44157, 50591])
    assert taken[names[0]] == taken[names[2]]


def test_a_name_of_market_is_an_error(plant, tmp_path):
    plant(tmp_path, [*TREE, "query/0001_c1s1_001051_00.jpg"])
    with pytest.raises(ValueError, match=r"1 of 2 .* DukeMTMC-reID"):
        dukemtmc.read(tmp_path)


def test_withdrawal_is_logged_once(plant, tmp_path, caplog):
    plant(tmp_path, TREE)
    dukemtmc._warn_withdrawn.cache_clear()
    with caplog.at_level(logging.WARNING):
        dukemtmc.read(tmp_path)
        dukemtmc.read(tmp_path)
    assert [record.message for record in caplog.records if "June 2019" in record.message] == [
        "DukeMTMC-reID was withdrawn by Duke University in June 2019: it recorded people without their consent."
        " Use it to reproduce published numbers only; many venues discourage results on it."
    ]


@pytest.mark.parametrize("layumi", [False, True])
def test_official_lists(official, layumi):
    split = dukemtmc.read(official("dukeMTMC", layumi))
    lists = (split.train, split.query, split.gallery)
    assert [len(shots) for shots in lists] == [16522, 2228, 17661]
    assert [len({s.person_id for s in shots}) for shots in lists] == [702, 702, 1110]
    assert [[sum(s.camera_id == camera for s in shots) for camera in range(8)] for shots in lists] == [
        [2809, 3009, 1088, 1395, 1685, 3700, 1330, 1506],
        [413, 383, 190, 155, 216, 369, 239, 263],
        [2704, 2798, 828, 1139, 1209, 3308, 1255, 4420],
    ]
    assert split.query[1883].path.name == "4315_c6_f0076814.jpg"
    assert split.query[67].path.name == "0051_c1_f0060060.jpg"
