import json

import pytest

from reid_lit.data.sets.stored_splits import file_of
from reid_lit.data.sets.viper import draw_splits, read


@pytest.fixture
def viper(tmp_path):
    """All 632 persons, with gaps between their numbers and other angles in the other camera, as empty files."""
    root = tmp_path / "VIPeR"
    for camera, angle in (("cam_a", 45), ("cam_b", 180)):
        (root / camera).mkdir(parents=True)
        for person in range(1, 633):
            (root / camera / f"{person + person // 3:03d}_{angle if person % 2 else 0}.bmp").touch()
    return root


def test_stored_splits_are_ten_different_halves():
    splits = json.loads(file_of("viper").read_text())["splits"]
    assert [(len(set(half)), min(half) >= 0, max(half) <= 631) for half in splits] == [(316, True, True)] * 10
    assert len({tuple(half) for half in splits}) == 10
    shares = [sum(person in half for half in splits) for person in range(632)]
    assert min(shares) < 5 < max(shares)  # no person is always or never trained on by construction


def test_both_directions(viper):
    split = read(viper, split_id=3)
    forth, back = split.tests
    assert (split.average, split.query, split.gallery) == ("viper", (), ())
    assert [(test.name, test.rules.name) for test in split.tests] == [
        ("viper_a_to_b", "viper_10_splits"),
        ("viper_b_to_a", "viper_10_splits"),
    ]
    assert (forth.query, forth.gallery) == (back.gallery, back.query)
    assert {(s.path.parent.name, s.camera_id) for s in forth.query} == {("cam_a", 0)}
    assert {(s.path.parent.name, s.camera_id) for s in forth.gallery} == {("cam_b", 1)}
    assert [s.person_id for s in forth.query] == [s.person_id for s in forth.gallery]
    train, test = ({s.person_id for s in shots} for shots in (split.train, forth.query))
    assert (len(split.train), len(train), len(test), len(train | test)) == (632, 316, 316, 632)
    persons = sorted(train | test)
    assert sorted(persons.index(person) for person in train) == draw_splits()[3]
    assert all(shot.path.name.startswith(f"{shot.person_id:03d}_") for shot in split.shots)


def test_splits_do_not_depend_on_the_angles_or_the_place(viper, tmp_path):
    before = [s.person_id for s in read(viper).train]
    for path in (viper / "cam_b").iterdir():
        path.rename(path.with_name(f"{path.name[:3]}_90.bmp"))
    viper.rename(tmp_path / "viper")
    assert [s.person_id for s in read(tmp_path).train] == before


def test_all_persons_train(viper):
    split = read(viper, train_on="all")
    assert (len(split.train), len({s.person_id for s in split.train}), split.tests) == (1264, 632, ())
    assert "nothing left to test" in split.notes[-1]


def test_a_person_in_one_camera_only_is_named(viper):
    (viper / "cam_b" / "001_180.bmp").unlink()
    with pytest.raises(ValueError, match=r"1 person of .*VIPeR in cam_a/ only: 001_45\.bmp; copy"):
        read(viper)
    problems = []
    split = read(viper, report=problems.append)
    assert len(problems) == 1
    assert 1 not in {s.person_id for s in split.shots}
    (viper / "cam_a" / "001_45.bmp").unlink()
    with pytest.raises(ValueError, match=r"VIPeR: 631 persons in .*VIPeR, not 632; copy"):
        read(viper)


def test_a_second_image_and_a_wrong_name_are_named(viper):
    (viper / "cam_a" / "001_90.bmp").touch()
    with pytest.raises(ValueError, match=r"1 person has a second image in .*cam_a: 001_90\.bmp"):
        read(viper)
    (viper / "cam_a" / "001_90.bmp").rename(viper / "cam_a" / "1_90.bmp")
    with pytest.raises(ValueError, match=r"1 of 633 \*\.bmp .* VIPeR \(001_45\.bmp\): 1_90\.bmp"):
        read(viper)


def test_missing_parts_and_unknown_options(viper, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*cam_a/001_45\.bmp.*REID_DATA.*dataset=synthetic"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"split_id=10: unknown; choose one of 0, 1, .*9"):
        read(viper, split_id=10)
    with pytest.raises(ValueError, match=r"train_on='half'"):
        read(viper, train_on="half")
    (viper / "cam_b").rename(viper / "cam_c")
    with pytest.raises(FileNotFoundError, match=r"VIPeR: no cam_b/ in"):
        read(viper)
    problems = []
    read(viper, report=problems.append)
    assert len(problems) == 1
