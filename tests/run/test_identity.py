"""Which keys of a config name a training: conf/keys.yaml says it for every key, and the group machine is in none."""

import shutil

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from reid_lit.paths import packaged
from reid_lit.run.composing import composed
from reid_lit.run.identity import evaluation_hash, keys, training_hash
from reid_lit.run.stages import plan_stages

KINDS = ("learnt", "tested", "around", "own")
CAM = "+experiment=duke_to_market_embae_cam"
MACHINE = OmegaConf.load(packaged("conf") / "machine" / "default.yaml")
OTHER = {
    "accelerator": "cpu", "devices": 2, "num_nodes": 2, "strategy": "ddp", "workers": 0, "cache": "ram", "test_batch_size": 7,
    "progress_bar": "false", "model_summary": "true", "compile": "true",
}  # fmt: skip


def unlisted(conf):
    """The keys of the configs in a folder that no list of keys.yaml names, or several."""
    lists = OmegaConf.load(conf / "keys.yaml")
    names = [name for kind in KINDS for name in lists[kind]]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        config = hydra.compose("evaluate")
        config.callbacks = {f"callbacks.{key}": None for key in config.callbacks}
    return {str(key) for key in config if names.count(str(key)) != 1}


def test_every_key_is_in_one_list():
    assert unlisted(packaged("conf")) == set()


def test_an_evaluation_of_before_keeps_its_name(compose):
    """Keys that evaluation got since then are left out of it where they ask for nothing."""
    config = OmegaConf.to_container(compose())
    before = config | {"evaluation": {k: v for k, v in config["evaluation"].items() if "identification" not in k}}
    assert before != config
    assert evaluation_hash(before) == evaluation_hash(config)
    asked = config | {"evaluation": config["evaluation"] | {"identification": [0.1]}}
    assert evaluation_hash(asked) != evaluation_hash(config)


@pytest.mark.parametrize("file", ["train.yaml", "evaluate.yaml"])
def test_a_key_in_no_list_is_found(tmp_path, file):
    conf = tmp_path / "conf"
    shutil.copytree(packaged("conf"), conf)
    with (conf / file).open("a") as text:
        text.write("\nbrand_new: 1\n")
    assert unlisted(conf) == {"brand_new"}


def test_a_key_in_two_lists_is_found(tmp_path):
    conf = tmp_path / "conf"
    shutil.copytree(packaged("conf"), conf)
    (conf / "keys.yaml").write_text((conf / "keys.yaml").read_text().replace("own: [", "own: [seed, "))
    assert unlisted(conf) == {"seed"}


def test_the_longer_names_are_keys_of_their_groups(compose):
    config = compose()
    for kind in (*KINDS, "stages.leaves", "reported"):
        for name in keys(kind):
            assert "." not in name or OmegaConf.select(config, name, default="?") != "?", name


@pytest.mark.parametrize("key", sorted(MACHINE))
def test_a_key_of_the_machine_names_no_training_and_no_stage(compose, key):
    assert set(OTHER) == set(MACHINE)
    other = f"machine.{key}={OTHER[key]}"
    config = compose(CAM, other)
    assert OmegaConf.select(config, f"machine.{key}") != MACHINE[key]
    assert training_hash(composed((other,)), 0) == training_hash(composed(()), 0)
    assert [stage.job.folder.name for stage in plan_stages(config)] == [
        stage.job.folder.name for stage in plan_stages(compose(CAM))
    ]


def test_the_machine_is_said_once(compose):
    """Every key of the group is referred to, by keys of the trainer and the loader that hold nothing else.

    ``compile`` is read by the training itself.
    """
    config = OmegaConf.to_container(compose(), resolve=False)
    references = [
        value for group in ("trainer", "loader") for value in map(str, config[group].values()) if "${machine" in value
    ]
    assert sorted(references) == [f"${{machine.{key}}}" for key in sorted(MACHINE) if key != "compile"]


def test_the_options_of_the_trainer_keep_their_objects(compose):
    trainer = compose("machine=ddp", "trainer=gpu").trainer
    assert (trainer.strategy, trainer.devices, trainer.precision, trainer.benchmark) == (
        "ddp",
        "auto",
        "16-mixed",
        True,
    )
    cpu = compose("machine=cpu", "trainer=cpu")
    assert (cpu.trainer.accelerator, cpu.trainer.devices, cpu.loader.workers) == ("cpu", 1, "auto")
    assert compose("machine=gpu").trainer.accelerator == "gpu"


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("loader.workers=0", True), ("trainer=ddp", True), ("callbacks.pictures.top=3", True), ("logger=wandb", True),
        ("loader.batch_size=8", False), ("trainer=gpu", False), ("loss.gather=false", False), ("loss.gather=true", True),
        ("trainer.sync_batchnorm=true", False), ("trainer.sync_batchnorm=false", True), ("callbacks.random_state.seed=3", False), ("+own=1", False),
    ],
)  # fmt: skip
def test_old_words_name_a_training_as_the_new_ones_do(override, same):
    assert (training_hash(composed((override,)), 0) == training_hash(composed(()), 0)) == same


def test_how_images_are_refused_names_neither_a_training_nor_an_evaluation():
    one, other = (composed(("+experiment=real_strong", *words)) for words in ([], ["dataset.max_pixels=99"]))
    assert training_hash(one, 0) == training_hash(other, 0)
    assert evaluation_hash(one) == evaluation_hash(other)
    assert evaluation_hash(one) != evaluation_hash(composed(("+experiment=real_strong", "dataset.val_persons=9")))
