import pytest

from reid_lit.data.sets.ward import read


def planted(plant, root, *, persons, cameras=2, frames=3):
    return plant(
        root,
        [
            f"{person:04}{camera:04}{frame:04}.png"
            for person in range(1, persons + 1)
            for camera in range(1, cameras + 1)
            for frame in range(1, frames + 1)
        ],
    )


def test_split_by_identity(plant, tmp_path):
    split = read(planted(plant, tmp_path, persons=5))
    train, test = ({s.person_id for s in shots} for shots in (split.train, split.query + split.gallery))
    assert (len(train), len(test)) == (2, 3)
    assert train.isdisjoint(test)
    assert len(split.query) == 3 * 2
    assert {shot.path.name[8:] for shot in split.query} == {"0001.png"}
    assert {shot.camera_id for shot in split.train} == {0, 1}
    assert "split_id=0" in split.notes[0]


def test_seed_draws_other_persons_and_repeats(plant, tmp_path):
    root = planted(plant, tmp_path, persons=12)
    trained = [frozenset(shot.person_id for shot in read(root, split_id=seed).train) for seed in range(4)]
    assert len(set(trained)) > 1
    assert read(root, split_id=3) == read(root, split_id=3)


def test_errors(plant, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \*\.png in .*REID_DATA.*dataset=synthetic"):
        read(tmp_path)
    planted(plant, tmp_path, persons=1)
    with pytest.raises(ValueError, match="WARD: 1 person in"):
        read(tmp_path)
    plant(tmp_path, ["00010001.png"])
    with pytest.raises(ValueError, match=r"1 of 7 \*\.png .*: 00010001\.png;"):
        read(tmp_path)


def test_real_images(reid_data):
    split = read(reid_data("WARD").parent)
    everything = (*split.train, *split.query, *split.gallery)
    assert len(everything) == 3492
    assert len({shot.person_id for shot in everything}) == 50
    assert {shot.camera_id for shot in everything} == {0, 1, 2}
    assert len(split.query) == 25 * 3


def test_every_person_trains_where_asked(plant, tmp_path):
    split = read(planted(plant, tmp_path, persons=5), train_on="all")
    assert len(split.train) == len({shot.path for shot in split.train}) == 5 * 2 * 3
    assert {shot.person_id for shot in split.train} == {1, 2, 3, 4, 5}
    assert (split.query, split.gallery, split.tests) == ((), (), ())
    with pytest.raises(ValueError, match="train_on='some'"):
        read(tmp_path, train_on="some")
