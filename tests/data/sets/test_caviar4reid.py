import pytest

from reid_lit.data.sets.caviar4reid import SAMPLE, read


def test_persons_of_both_cameras_are_tested(tmp_path):
    root = SAMPLE.write(tmp_path / "CAVIARa")
    split = read(root)
    assert split == read(tmp_path)
    assert [(s.path.name, s.person_id, s.camera_id) for s in split.train] == [
        ("0051001.jpg", 51, 0),
        ("0051010.jpg", 51, 0),
    ]
    assert {(s.person_id, s.path.stem[4:]) for s in split.query} == {(p, n) for p in (1, 2) for n in ("001", "010")}
    assert {(s.person_id, s.path.stem[4:]) for s in split.gallery} == {(p, n) for p in (1, 2) for n in ("011", "020")}
    assert len(read(root, train_on="all").train) == len(SAMPLE.images)


def test_what_is_missing_or_unknown_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"CAVIAR4REID: no \*\.jpg in .*0001001\.jpg"):
        read(tmp_path)
    root = SAMPLE.write(tmp_path)
    with pytest.raises(ValueError, match="train_on='half': unknown"):
        read(root, train_on="half")
    for path in [*root.glob("*011.jpg"), *root.glob("*020.jpg")]:
        path.unlink()
    with pytest.raises(ValueError, match=r"CAVIAR4REID: nobody in .* is seen by both cameras; copy"):
        read(root)
