"""Images in other cameras' styles: their names, and what of a folder is read."""

import json
from pathlib import Path

import pytest
from hydra.errors import InstantiationException

from reid_lit.data.fake_folder import RECORD
from reid_lit.data.fakes import FOLDER, SOURCES, by_stem, fake_name, folder_of, read_fakes
from reid_lit.records import MixedBatch, Shot

# of the small copy: 0002 by cameras 1, 2, 1; 0007 by 3, 6; 0010 by 1, 4
FAKES = [
    "0002_c1s1_000451_03_fake_1to2.jpg",
    "0002_c1s1_000451_03_fake_1to6.jpg",
    "0002_c2s1_000451_01_fake_2to1.jpg",
    "0007_c3s1_000551_01_fake_3to6.jpg",
    "0010_c4s1_000551_01_fake_4to3.jpg",
]


@pytest.fixture
def styled(market, plant):
    plant(market, [f"{FOLDER}/{name}" for name in FAKES])
    (market / FOLDER / RECORD).write_text(json.dumps({"settings": {"epochs": 50}, "pairs": []}))
    return market / FOLDER


def test_they_are_learnt_behind_the_real_images_with_the_person_of_their_image_and_the_camera_of_their_style(
    market_data, styled
):
    data = market_data(fakes=FOLDER, fakes_batch_size=2)
    data.setup("fit")
    assert [shot.path.name for shot in data.split.train[7:]] == FAKES
    assert [(shot.person_id, shot.camera_id) for shot in data.split.train[7:]] == [
        (2, 1), (2, 5), (2, 0), (7, 5), (10, 2),
    ]  # fmt: skip
    assert (data.persons, data.cameras, data.batch_size, data.has_fakes) == (3, 6, 4, True)
    batches = list(data.train_dataloader())
    assert len(batches) == 3  # of the 7 real images
    for batch in batches:
        assert isinstance(batch, MixedBatch)
        assert (batch.real.index < 7).all()
        assert (batch.fake.index >= 7).all()
        for part in batch:
            labels = [[2, 7, 10].index(data.split.train[k].person_id) for k in part.index.tolist()]
            assert part.person.tolist() == labels
    prepared = data.on_after_batch_transfer(batches[0], 0)
    assert [part.image.dtype.is_floating_point for part in prepared] == [True, True]


def test_a_test_needs_none_of_them(market_data):
    data = market_data(fakes="/nowhere/at/all")
    data.setup("test")
    assert len(data.split.train) == 7


def test_those_of_held_out_persons_are_left_out(market_data, styled, caplog):
    data = market_data(fakes=FOLDER, fakes_batch_size=2, val_persons=1, split_seed=1)
    with caplog.at_level("INFO"):
        data.setup("fit")
    held = {shot.person_id for shot in data.validation.query}
    assert not held & {shot.person_id for shot in data.split.train}
    left = sum(int(name[:4]) in held for name in FAKES)
    assert left
    assert len(data.split.train) == 7 - sum(1 for shot in data.validation.query + data.validation.gallery) + 5 - left
    assert f"{5 - left} generated images of" in caplog.text
    assert "of held-out persons left out" in caplog.text


def test_a_checkpoint_knows_them_and_how_they_were_made(market_data, styled):
    def state(**changes):
        data = market_data(fakes_batch_size=2, **changes)
        data.setup("fit")
        return data.state_dict()["training_list"]

    before, plain = state(fakes=FOLDER), state()
    assert before != plain
    (styled / RECORD).write_text(json.dumps({"settings": {"epochs": 60}, "pairs": []}))
    assert state(fakes=FOLDER) != before
    (styled / RECORD).write_text(json.dumps({"settings": {"epochs": 50}, "pairs": []}))
    assert state(fakes=styled) == before


def test_what_their_generators_have_learnt_from_is_known(market_data, styled):
    (styled / SOURCES).write_text("/data/a.jpg\n/data/b.jpg\n")
    data = market_data(fakes=FOLDER, fakes_batch_size=2)
    data.setup("fit")
    assert data.fakes_made_from == {"/data/a.jpg", "/data/b.jpg"}


def shots(*names):
    return [Shot(Path("/data/train") / name, k, k % 2) for k, name in enumerate(names)]


def test_a_name_alone_lies_beside_the_training_images():
    flat, nested = shots("a.jpg", "b.jpg"), shots("1/a.jpg", "2/b.jpg")
    assert folder_of(FOLDER, flat) == folder_of(FOLDER, nested) == Path("/data") / FOLDER
    assert folder_of("/other/fakes", flat) == Path("/other/fakes")
    assert folder_of("other/fakes", flat) == Path("other/fakes")


def test_names_are_those_of_the_public_images():
    shot = Shot(Path("0003_c5s1_000301_00.jpg.jpg"), 3, 4)
    assert fake_name(shot, 0) == "0003_c5s1_000301_00_fake_5to1.jpg"


@pytest.mark.parametrize(
    ("names", "kind", "message"),
    [
        (None, FileNotFoundError, r"^fakes=\w+: no folder .*; python -m reid_lit.camstyle dataset=… makes the images"),
        ([], FileNotFoundError, r"^fakes=\w+: no image in .*"),
        (["a_fake_1to2.jpg", "b_1to2.jpg"], ValueError, r"^1 of 2 images in .* not named .*b_1to2.jpg; move them away"),
        (["a_fake_1to2.jpg", "c_fake_1to2.jpg"], ValueError, r"^1 of 2 images in .* no image of the training list"),
        (["a_fake_1to3.jpg"], ValueError, r"^1 of 1 image in .* in the style of none of its cameras"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path, plant, names, kind, message):
    (tmp_path / "train").mkdir()
    train = [Shot(tmp_path / "train" / f"{name}.jpg", k, k) for k, name in enumerate("ab")]
    if names is not None:
        (tmp_path / FOLDER).mkdir()
        plant(tmp_path / FOLDER, names)
        (tmp_path / FOLDER / "Thumbs.db").write_bytes(b"no image")
    with pytest.raises(kind, match=message):
        read_fakes(FOLDER, train)


def test_two_images_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"^2 of 3 training images have the name a"):
        by_stem(shots("1/a.jpg", "2/a.png", "b.jpg"))


def test_a_broken_one_stops_or_is_dropped(market_data, styled):
    (styled / FAKES[0]).write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1 of 5 images of market1501, .*cannot be used"):
        market_data(fakes=FOLDER, fakes_batch_size=2).setup("fit")
    data = market_data(fakes=FOLDER, fakes_batch_size=2, on_bad_image="drop")
    data.setup("fit")
    assert len(data.split.train) == 7 + 4
    assert len(list(data.train_dataloader())) == 3


def test_several_data_sets_together_have_none(compose):
    from reid_lit.run.datasets import make_data

    member = "{dataset: synthetic, size: tiny, fakes: a}"
    with pytest.raises(InstantiationException, match=r"fakes=a: .* one data set alone"):
        make_data(compose("dataset=joint", f"dataset.members=[{member},ward]"))
    with pytest.raises(InstantiationException, match=r"fakes=a: .* one data set alone"):
        make_data(compose("dataset=transfer", f"dataset.source={member}", "dataset.target=ward"))
    with pytest.raises(InstantiationException, match=r"fakes_batch_size=0: holds no image"):
        make_data(compose("dataset.fakes_batch_size=0"))
