import pytest

from reid_lit.data.sets.prid2011 import SHARED, draw_splits, read


@pytest.fixture
def prid(tmp_path):
    """All images of both views, as empty files: 385 persons in A, 749 in B."""
    root = tmp_path / "prid_2011"
    for camera, persons in (("cam_a", 385), ("cam_b", 749)):
        (root / "single_shot" / camera).mkdir(parents=True)
        for person in range(1, persons + 1):
            (root / "single_shot" / camera / f"person_{person:04}.png").touch()
    return root


def test_a_half_is_searched_among_itself_and_the_strangers_of_view_b(prid):
    split = read(prid, split_id=4)
    train, query, gallery = ([shot.person_id for shot in shots] for shots in (split.train, split.query, split.gallery))
    assert sorted({*train}) == draw_splits()[4]
    assert sorted({*train, *query}) == list(range(1, SHARED + 1))
    assert gallery == [*query, *range(201, 750)]
    assert (len(train), len(query), len(gallery)) == (200, 100, 649)
    assert {(s.path.parent.name, s.camera_id) for s in split.query} == {("cam_a", 0)}
    assert {(s.path.parent.name, s.camera_id) for s in split.gallery} == {("cam_b", 1)}
    assert "549 persons of view B alone are distractors" in split.notes[1]


def test_a_number_above_200_is_another_person_in_each_view(prid):
    strangers = [shot.path.parent.name for shot in read(prid).shots if shot.person_id == 201]
    assert strangers == ["cam_b"]


def test_all_train_on_the_200(prid, tmp_path):
    split = read(tmp_path, train_on="all")
    assert (len(split.train), len({s.person_id for s in split.train}), split.query) == (400, 200, ())
    assert split.notes[-1] == "549 images of junk and distractors left out"


def test_one_of_the_200_in_one_view_only_is_named(prid):
    (prid / "single_shot" / "cam_a" / "person_0007.png").unlink()
    with pytest.raises(ValueError, match=r"PRID2011: 1 person of .*single_shot in cam_b/ only: person_0007\.png; copy"):
        read(prid)
    problems = []
    assert 7 not in {shot.person_id for shot in read(prid, report=problems.append).shots}
    assert len(problems) == 1


def test_what_is_missing_or_unknown_is_said(prid, tmp_path):
    with pytest.raises(ValueError, match="train_on='half': unknown; choose one of split, all"):
        read(prid, train_on="half")
    (prid / "single_shot").rename(prid / "multi_shot")
    with pytest.raises(FileNotFoundError, match=r"PRID2011: no single_shot/ in .*cam_a/person_0001\.png.*REID_DATA"):
        read(tmp_path)
