import pytest

from reid_lit.data.sets.msmt17 import read

LISTS = {
    "list_train.txt": ["0000/0000_000_01_0303morning_0008_0.jpg 0", "0001/0001_000_15_0303noon_0017_2.jpg 1"],
    "list_val.txt": ["0000/0000_001_04_0303morning_0015_0.jpg 0"],
    "list_query.txt": ["0000/0000_000_01_0303morning_0015_0.jpg 0"],
    "list_gallery.txt": ["0007/0007_001_10_0113afternoon_1439_0_ex.jpg 7", "0000/0000_002_02_0303morning_0016_0.jpg 0"],
}


@pytest.fixture
def msmt(tmp_path):
    def made(root=tmp_path / "MSMT17_V1", folders=("train", "test"), **changes):
        for folder in folders:
            (root / folder).mkdir(parents=True)
        for name, lines in (LISTS | {f"{key}.txt": lines for key, lines in changes.items()}).items():
            (root / name).write_text("\n".join(lines) + "\n")
        return root

    return made


@pytest.mark.parametrize(
    ("folder", "folders", "rules"),
    [("MSMT17_V1", ("train", "test"), "msmt17_v1"), ("MSMT17_V2", ("mask_train_v2", "mask_test_v2"), "msmt17_v2")],
)
def test_both_versions(msmt, tmp_path, folder, folders, rules):
    root = msmt(tmp_path / folder, folders)
    split = read(root)
    assert split == read(tmp_path)
    assert [(s.person_id, s.camera_id) for s in split.train] == [(0, 0), (1, 14)]
    assert split.train[0].path == root / folders[0] / "0000/0000_000_01_0303morning_0008_0.jpg"
    assert split.query[0].path.parents[1] == root / folders[1]
    assert split.rules.name == rules
    assert ("blurred" in split.notes[0]) == folder.endswith("2")


def test_no_number_stands_for_a_training_and_a_test_person(msmt):
    split = read(msmt())
    assert [s.person_id for s in split.query] == [2]
    assert [(s.person_id, s.camera_id) for s in split.gallery] == [(2, 1), (9, 9)]
    assert "test persons are numbered from 2" in split.notes[1]


def test_all_persons_train_under_numbers_of_their_own(msmt):
    split = read(msmt(), train_on="all")
    assert [shot.person_id for shot in split.train] == [0, 0, 1, 2, 2, 9]
    assert (split.query, split.gallery, split.tests) == ((), (), ())
    assert "nothing left to test" in split.notes[-1]


def test_validation_images_may_be_trained_on(msmt):
    split = read(msmt(), train_on="trainval")
    assert [(s.person_id, s.camera_id) for s in split.train] == [(0, 0), (0, 3), (1, 14)]
    with pytest.raises(ValueError, match=r"^train_on='val': unknown; choose one of train, trainval"):
        read(split.train[0].path.parents[2], train_on="val")


@pytest.mark.parametrize(
    "line",
    [
        "0000/0000_000_16_0303morning_0008_0.jpg 0",
        "0000/0000_000_00_0303morning_0008_0.jpg 0",
        "0000/0000_000_1_0303morning_0008_0.jpg 0",
        "0000/0000_000_01_0303morning_0008_0.jpg",
        "0000/0000_000_01_0303morning_0008_0.jpg -1",
        "/data/MSMT17/0000/0000_000_01_0303morning_0008_0.jpg 0",
        "../0000/0000_000_01_0303morning_0008_0.jpg 0",
        "<html>",
    ],
)
def test_a_line_that_does_not_parse_is_named(msmt, line):
    root = msmt(list_query=[*LISTS["list_query.txt"], "", line])
    with pytest.raises(ValueError, match=r"1 of 3 lines of .*list_query\.txt .*: line 3: ") as caught:
        read(root)
    assert f"line 3: {line};" in str(caught.value)
    problems = []
    assert len(read(root, report=problems.append).query) == 1
    assert len(problems) == 1


def test_windows_line_endings(msmt):
    root = msmt()
    split = read(root)
    for name in LISTS:
        (root / name).write_bytes((root / name).read_bytes().replace(b"\n", b"\r\n"))
    assert read(root) == split


def test_what_is_missing_is_said(msmt, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"MSMT17: no such folder: .*list_train\.txt.*REID_DATA.*synthetic"):
        read(tmp_path / "nowhere")
    root = msmt()
    (root / "test").rmdir()
    with pytest.raises(FileNotFoundError, match=r"no test/ in"):
        read(root)
    (root / "test").mkdir()
    (root / "list_val.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no list_val\.txt in"):
        read(root)
    (root / "list_val.txt").write_text("\n")
    with pytest.raises(FileNotFoundError, match=r"list_val\.txt lists no image"):
        read(root)


def test_two_versions_are_not_chosen_between(msmt, tmp_path):
    msmt()
    second = msmt(tmp_path / "MSMT17_V2", ("mask_train_v2", "mask_test_v2"))
    with pytest.raises(FileNotFoundError, match=r"2 versions are in .*: MSMT17_V1, MSMT17_V2; point dataset\.root"):
        read(tmp_path)
    assert read(second).rules.name == "msmt17_v2"
