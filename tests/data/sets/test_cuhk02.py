import pytest

from reid_lit.data.sets.cuhk02 import SAMPLE, read


@pytest.fixture
def cuhk02(tmp_path):
    return SAMPLE.write(tmp_path / "cuhk02" / "Dataset")


def test_the_fifth_pair_is_tested_and_persons_of_a_number_are_kept_apart(cuhk02, tmp_path):
    split = read(cuhk02)
    assert split == read(tmp_path) == read(cuhk02.parent)
    assert sorted({s.person_id for s in split.train}) == [10001, 20001, 30001, 40001]
    assert sorted({s.person_id for s in split.query}) == [50001, 50002]
    assert {s.camera_id for s in split.train} == set(range(8))
    assert ({s.camera_id for s in split.query}, {s.camera_id for s in split.gallery}) == ({8}, {9})
    assert {s.path.parent.relative_to(cuhk02).as_posix() for s in split.gallery} == {"P5/cam2"}


def test_all_pairs_train(cuhk02):
    split = read(cuhk02, train_on="all")
    assert (len({s.person_id for s in split.train}), {s.camera_id for s in split.train}) == (6, set(range(10)))
    assert (len(split.train), split.query) == (len(SAMPLE.images), ())


def test_what_is_missing_or_unknown_is_said(cuhk02, tmp_path):
    with pytest.raises(ValueError, match="train_on='half': unknown"):
        read(cuhk02, train_on="half")
    (cuhk02 / "P3" / "cam2").rename(cuhk02 / "P3" / "cam3")
    with pytest.raises(FileNotFoundError, match=r"CUHK02: no cam2/ in .*P3; the folder must look like Dataset/P1/cam1"):
        read(cuhk02)
    problems = []
    assert 30001 in {shot.person_id for shot in read(cuhk02, report=problems.append).train}
    assert len(problems) == 1
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read(tmp_path / "nowhere")
