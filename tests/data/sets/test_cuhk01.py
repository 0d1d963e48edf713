import pytest

from reid_lit.data.sets.cuhk01 import draw_splits, read, sample
from reid_lit.data.sets.stored_splits import stored_split


def test_both_directions_with_all_images_of_a_view(tmp_path):
    root = sample().write(tmp_path / "cuhk01")
    split = read(root)
    assert split.average == "cuhk01"
    assert [test.name for test in split.tests] == ["cuhk01_a_to_b", "cuhk01_b_to_a"]
    forth, back = split.tests
    assert (forth.query, forth.gallery) == (back.gallery, back.query)
    assert {(s.path.stem[4:], s.camera_id) for s in forth.query} == {("001", 0), ("002", 0)}
    assert {(s.path.stem[4:], s.camera_id) for s in forth.gallery} == {("003", 1), ("004", 1)}
    assert {s.person_id for s in split.train} <= {*stored_split("cuhk01", 0)[0]}
    assert not {s.person_id for s in split.train} & {s.person_id for s in forth.query}
    assert read(tmp_path) == read(root / "campus") == split


def test_halves_are_of_971():
    assert {(len(half), min(half) >= 1, max(half) <= 971) for half in draw_splits()} == {(485, True, True)}


def test_what_is_missing_or_unknown_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"CUHK01: no campus/ in .*campus/0001001\.png"):
        read(tmp_path)
    with pytest.raises(ValueError, match="train_on='half': unknown; choose one of split, all"):
        read(sample().write(tmp_path), train_on="half")
