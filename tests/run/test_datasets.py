import pytest
from hydra.errors import InstantiationException

from reid_lit.paths import options
from reid_lit.records import Shot, Split, absolute
from reid_lit.run.datasets import make_data, split_ids, with_dataset, with_split
from reid_lit.run.split_rounds import run_rounds
from reid_lit.testing import tests as testing
from reid_lit.testing.tests import check_validation, find_tests
from reid_lit.testing.unseen import check_unseen


@pytest.fixture
def config(compose):
    return compose("dataset=ward_pairs", "data_root=/data")


def test_numbered_splits(config):
    assert split_ids(config) == list(range(10))
    config.dataset.split_id = [2, 0]
    assert split_ids(config) == [2, 0]
    config.dataset.split_id = 3
    assert split_ids(config) is None
    for wrong in (10, [], [0, -1], [1, 1], "every", [1, "all"]):
        config.dataset.split_id = wrong
        with pytest.raises(ValueError, match="this data set has splits 0 to 9; give one, a list"):
            split_ids(config)


def test_a_data_set_without_numbered_splits_has_one(compose):
    assert split_ids(compose("dataset=market1501")) is None


def test_another_data_set_keeps_what_the_run_chose(compose):
    config = compose("dataset=market1501", "seed=7", "transform.size=[64,32]", "data_root=/data")
    other = with_dataset(config, {"dataset": "ward", "root": "/w"})
    assert (other.dataset.seed, other.dataset.root, other.dataset.transform.size) == (7, "/w", [64, 32])
    assert config.dataset.root == "/data/Market-1501-v15.09.15"
    assert with_dataset(config, {"val_persons": 3}).dataset.val_persons == 3


def test_a_key_that_another_data_set_lacks_is_named(config):
    with pytest.raises(ValueError, match=r"dataset=viper has no splitid but .*split_id"):
        with_dataset(config, {"dataset": "viper", "splitid": 1})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dataset.source=[]"], r"dataset\.source=\[\] .* one source or more with labels"),
        (["dataset.target=[market1501,dukemtmc]"], r"and one target; give an option"),
        (["dataset.source=transfer"], r"dataset\.source: transfer is a source and a target itself"),
    ],
)
def test_domains_that_are_none_are_refused(compose, overrides, message):
    with pytest.raises(ValueError, match=message):
        make_data(compose("dataset=transfer", "data_root=/data", *overrides))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+experiment=plaza_to_campus_pul", "dataset=ward"], "dataset=ward has no world; add ~dataset.world"),
        (
            ["+experiment=sources_embae", "dataset=market1501"],
            "dataset=market1501 has no members, switching; add ~dataset.members ~dataset.switching",
        ),
    ],
)
def test_keys_that_an_experiment_meant_for_another_data_set_are_refused(compose, overrides, message):
    config = compose(*overrides, "data_root=/data")
    for ask in (make_data, split_ids):
        with pytest.raises(ValueError, match=f"^{message}$"):
            ask(config)
    make_data(compose(*overrides, *message.partition("; add ")[2].split(), "data_root=/data"))


@pytest.mark.parametrize("option", options("dataset"))
def test_every_data_set_has_its_own_keys(compose, option):
    split_ids(compose(f"dataset={option}", "data_root=/data"))  # refuses foreign ones


def test_make_data_takes_the_first_split(config):
    data = make_data(config)
    assert data.split_id == 0
    assert make_data(with_split(config, 4)).split_id == 4


def test_members_of_a_joint_data_set_are_data_sets(compose):
    config = compose("dataset=joint", "dataset.members=[market1501,{dataset: ward, root: /w, split_id: 2}]", "seed=5")
    market, ward = make_data(config).members
    assert (market.seed, str(ward.root), ward.split_id) == (5, "/w", 2)
    config = compose("dataset=joint", "dataset.members=[market1501,ward_pairs]")
    with pytest.raises(
        ValueError, match=r"ward_pairs stands for several splits; choose one: {dataset: ward_pairs, split_id: 0}"
    ):
        make_data(config)


def test_a_split_that_the_protocol_lacks_is_refused_before_the_first_is_trained(compose, tmp_path):
    config = compose("dataset=cuhk03", "dataset.split_id=all", f"run_dir={tmp_path}")
    with pytest.raises(InstantiationException, match=r"split_id=1: protocol=new has no such split"):
        run_rounds(config, None)


def test_a_data_set_with_nobody_to_test_is_refused_before_training(compose, monkeypatch):
    data = make_data(config := compose("dataset=viper", "dataset.split_id=0"))
    data.split = Split("viper", (), (), ())
    monkeypatch.setattr(data, "prepare_data", lambda: None)
    monkeypatch.setattr(data, "setup", lambda stage: None)
    with pytest.raises(ValueError, match="viper is read without test persons; name other data sets in test_on"):
        find_tests(config, data)


def test_validation_that_cannot_be_scored_is_refused_before_training(compose, tmp_path):
    shots = [Shot(path=tmp_path / f"{n}.png", person_id=1, camera_id=0) for n in range(3)]
    data = make_data(config := compose("dataset=viper", "dataset.val_persons=1"))
    check_validation(config, data)
    data.split = Split("viper", (), (), ())
    data.validation = Split("viper_validation", (), tuple(shots[:1]), tuple(shots[1:]))
    said = (
        r"^the validation persons of viper cannot be scored: camera_rule=cross_camera: .*; dataset\.val_persons=1 draws"
    )
    with pytest.raises(ValueError, match=said):
        check_validation(config, data)
    config.evaluation.camera_rule = "any_camera"
    check_validation(config, data)
    config.evaluation.crops = list(config.transform.size)
    with pytest.raises(ValueError, match="cannot be scored: crops="):
        check_validation(config, data)


def test_images_that_were_trained_on_are_not_tested_on(compose, tmp_path):
    shots = [Shot(path=tmp_path / f"{n}.png", person_id=n, camera_id=0) for n in range(4)]
    data = make_data(compose("dataset=viper"))
    data.split = Split("viper", (), (shots[2],), (shots[3],))
    test = testing.Test(data=data, row="viper", average="", split_id=3)
    check_unseen(absolute(shots[:2]), [test])
    with pytest.raises(ValueError, match=r"viper \(split 3\) tests on 1 image that was trained on, such as .*3\.png"):
        check_unseen(absolute([shots[0], shots[3]]), [test])


def test_crops_that_do_not_fit_are_refused_before_training(compose, drawn):
    small = ("dataset.size=tiny", "transform.size=[64,32]", "evaluation.crops=${transform.size}", f"data_root={drawn}")
    data = make_data(config := compose("dataset=synthetic", *small))
    with pytest.raises(ValueError, match=r"^crops=\[64, 32\]: all five would be the whole image of 64 × 32 pixels"):
        find_tests(config, data)
    find_tests(config, make_data(config := compose("dataset=synthetic", *small, "transform.test_scale=1.125")))


def test_tracks_that_nobody_knows_are_refused_before_training(compose, drawn):
    small = ("dataset=synthetic", "dataset.size=tiny", f"data_root={drawn}")
    with pytest.raises(ValueError, match=r"^tracks: no image of this test is of a known track"):
        find_tests(config := compose(*small, "evaluation.tracks=mean"), make_data(config))


def test_persons_of_one_of_several_data_sets_are_not_held_out(compose):
    """They would be learnt: a member's settings of what is drawn have no effect."""
    member = "{dataset: synthetic, size: tiny, val_persons: 3}"
    with pytest.raises(InstantiationException, match=r"val_persons=3: .* set dataset\.val_persons"):
        make_data(compose("dataset=joint", f"dataset.members=[{member},ward]"))
    with pytest.raises(InstantiationException, match=r"val_persons=3: .* watched without labels"):
        make_data(compose("dataset=transfer", f"dataset.source={member}", "dataset.target=ward"))
