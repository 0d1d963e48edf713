import json

import pytest

from reid_lit.data.sets.ilids import PERSONS, read
from reid_lit.data.sets.stored_splits import file_of


@pytest.fixture
def ilids(tmp_path):
    """476 images of 119 persons, with gaps between their numbers, as empty files."""
    folder = tmp_path / "i-LIDS_Pedestrian" / "Persons"
    folder.mkdir(parents=True)
    for number in range(PERSONS):
        for image in range(1, 3 + (number + number // 17) % 5):
            (folder / f"{2 * number + 1:04}{image:03}.jpg").touch()
    return folder.parent


def test_one_image_is_searched_among_one_of_each(ilids, tmp_path):
    split = read(ilids, split_id=2)
    assert split == read(tmp_path, split_id=2) == read(ilids / "Persons", split_id=2)
    stored = json.loads(file_of("ilids").read_text())["splits"][2]
    assert sorted({s.person_id // 2 for s in split.train}) == stored["train"]
    assert [s.person_id for s in split.query] == [s.person_id for s in split.gallery]
    assert [str(s.person_id // 2) for s in split.query] == list(stored["order"])
    assert (len(split.query), len({s.person_id for s in split.query})) == (60, 60)
    assert not {s.path for s in split.query} & {s.path for s in split.gallery}
    for query, gallery in zip(split.query, split.gallery, strict=True):
        there = {int(path.name[4:7]) for path in query.path.parent.glob(f"{query.path.name[:4]}*")}
        taken = [number for number in stored["order"][str(query.person_id // 2)] if number in there]
        assert [int(shot.path.name[4:7]) for shot in (query, gallery)] == taken[:2]


def test_no_camera_is_known(ilids):
    split = read(ilids)
    assert {shot.camera_id for shot in split.shots} == {0}
    assert split.rules.camera_rule == "any_camera"


def test_an_image_of_a_higher_number_comes_last(ilids):
    for path in (ilids / "Persons").glob("*"):
        path.rename(path.with_name(f"{path.name[:4]}{int(path.name[4:7]) + 8:03}.jpg"))
    split = read(ilids)
    assert {(q.path.name[4:7], g.path.name[4:7]) for q, g in zip(split.query, split.gallery, strict=True)} == {
        ("009", "010")
    }


def test_all_images_train(ilids):
    split = read(ilids, train_on="all")
    assert len(split.train) == sum(1 for _ in (ilids / "Persons").iterdir())
    assert (split.query, split.gallery) == ((), ())


def test_an_incomplete_copy_is_named(ilids, tmp_path):
    for path in list((ilids / "Persons").glob("0003*"))[1:]:
        path.unlink()
    with pytest.raises(
        ValueError, match=r"i-LIDS: 119 persons in .*Persons, 1 of them with one image, not 119 .*: 0003"
    ):
        read(ilids)
    for path in (ilids / "Persons").glob("0003*"):
        path.unlink()
    problems = []
    read(ilids, report=problems.append)
    assert [problem.fact for problem in problems if "118 persons" in problem.fact]
    with pytest.raises(ValueError, match="train_on='half': unknown"):
        read(ilids, train_on="half")
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*Persons/0001001\.jpg"):
        read(tmp_path / "nowhere")
