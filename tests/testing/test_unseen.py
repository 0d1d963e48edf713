import shutil

import pytest

from reid_lit.errors import InputError
from reid_lit.records import Shot, Split, absolute
from reid_lit.run.datasets import make_data
from reid_lit.run.lineage import Lineage, check_apart, read_lineage
from reid_lit.testing import tests as testing
from reid_lit.testing.unseen import check_unseen


@pytest.fixture
def crops(tmp_path):
    for person in range(4):
        (tmp_path / "crops" / f"{person}").mkdir(parents=True)
        for k in range(2):
            (tmp_path / "crops" / f"{person}" / f"{k}.jpg").write_bytes(f"{person} {k}".encode())
    return tmp_path / "crops"


def shots(root, *persons):
    return tuple(Shot(root / f"{person}" / f"{k}.jpg", person, k) for person in persons for k in range(2))


@pytest.fixture
def listed(compose):
    """A test of a data set with these lists."""
    data = make_data(compose("dataset=viper"))

    def made(train, query, gallery):
        data.split = Split(name="crops", train=train, query=query, gallery=gallery)
        return [testing.Test(data=data, row="crops", average="", split_id=None)]

    return made


def linked(crops, folder):
    folder.symlink_to(crops, target_is_directory=True)


def links(crops, folder):
    for path in crops.rglob("*.jpg"):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / path.parent.name / path.name).symlink_to(path)


WAYS = {"link to the folder": linked, "a link to each file": links, "a copy": shutil.copytree}


@pytest.mark.parametrize("way", WAYS)
def test_images_trained_on_are_known_by_whatever_way_they_are_reached(listed, crops, way):
    other = crops.parent / "other"
    WAYS[way](crops, other)
    trained = absolute(shots(crops, 0, 1))
    with pytest.raises(InputError, match=r"crops tests on 4 images that were trained on"):
        check_unseen(trained, listed(shots(other, 2), shots(other, 0)[:1], (*shots(other, 0)[1:], *shots(other, 1))))
    check_unseen(trained, listed(shots(other, 0, 1), shots(other, 2), shots(other, 3)))
    with pytest.raises(InputError, match="4 of the 4 training images of other are those of the source"):
        check_apart(shots(other, 0, 1), trained, name="other")


def test_copies_within_one_data_set_are_the_doctors(listed, crops):
    shutil.copy(crops / "0" / "0.jpg", crops / "2" / "0.jpg")
    check_unseen(absolute(shots(crops, 0, 1)), listed(shots(crops, 0, 1), shots(crops, 2), shots(crops, 3)))


def test_a_lineage_keeps_names_with_odd_characters(tmp_path):
    lineage = Lineage(frozenset(["/data/café/1.jpg", "/data/\u2028/2.jpg"]), frozenset(["/data/\u2028/2.jpg"]))
    lineage.write(tmp_path)
    assert read_lineage(tmp_path) == lineage
