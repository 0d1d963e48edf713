"""Keys and options that have moved work as they did: typed, and in the overrides of earlier runs, stages and tables."""

import pytest
from omegaconf import OmegaConf

from reid_lit.command.replay import replayed
from reid_lit.run.folder import Run
from reid_lit.run.moved_keys import KEYS, OPTIONS, present, typed
from reid_lit.run.stages import plan_stages


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["loader.workers=0", "loader.batch_size=8"], ["machine.workers=0", "loader.batch_size=8"]),
        (["model.channels_last=false"], ["model.recipe.channels_last=false"]),
        (["trainer.devices=1,2"], ["machine.devices=1,2"]),
        (["+trainer.num_nodes=2", "++trainer.devices=2"], ["machine.num_nodes=2", "++machine.devices=2"]),
        (["~trainer.devices"], ["~trainer.devices"]),
        (["trainer=cpu"], ["trainer=cpu", "machine=cpu"]),
        (["trainer=gpu", "machine=ddp"], ["trainer=gpu", "machine=ddp"]),
        (["machine=ddp", "trainer=gpu"], ["machine=ddp", "trainer=gpu"]),
        (["trainer=ddp", "trainer.accelerator=cpu"], ["trainer=default", "machine=ddp", "machine.accelerator=cpu"]),
        (["-m", "--help", "seed=1"], ["-m", "--help", "seed=1"]),
    ],
)
def test_an_old_override_is_read_as_the_new_one(old, new):
    assert present(old) == new
    assert present(new) == new or new == ["trainer=cpu", "machine=cpu"]


def test_every_new_name_is_there(compose):
    config = compose()
    for key in KEYS.values():
        assert OmegaConf.select(config, key, default="?") != "?", key
    for words in OPTIONS.values():
        compose(*words)


def test_a_typed_word_is_told_its_new_name_once(caplog):
    assert typed(["loader.workers=0", "seed=1", "trainer=gpu"]) == [
        "machine.workers=0", "seed=1", "trainer=gpu", "machine=gpu",
    ]  # fmt: skip
    assert caplog.messages == [
        "loader.workers=0 is now machine.workers=0", "trainer=gpu is now trainer=gpu machine=gpu",
    ]  # fmt: skip


def test_an_earlier_run_and_its_stages_are_read_so(tmp_path, compose):
    (tmp_path / ".hydra").mkdir()
    words = [
        "+experiment=duke_to_market_embae_cam",
        "trainer=ddp",
        "loader.workers=0",
        'before_overrides=["loader.cache=ram"]',
    ]
    OmegaConf.save(OmegaConf.create(words), tmp_path / ".hydra" / "overrides.yaml")
    earlier = Run(tmp_path).overrides()
    assert earlier == [words[0], "trainer=default", "machine=ddp", "machine.workers=0", words[3]]
    assert replayed([f"run={tmp_path}", "machine=cpu"])[:3] == [words[0], "trainer=default", "machine.workers=0"]
    stage = plan_stages(compose(*earlier, "run_dir=runs/now"))[0]
    assert stage.job.overrides[1:-1] == (
        "trainer=default",
        "machine=ddp",
        "machine.workers=0",
        words[3],
        "machine.cache=ram",
    )


def test_an_old_word_that_is_typed_works(command, drawn, tmp_path):
    done = command(
        "dataset.size=tiny", f"data_root={drawn}", "loader.workers=0", "trainer=cpu", cwd=tmp_path, module="reid_lit.describe"
    )  # fmt: skip
    assert "loader.workers=0 is now machine.workers=0" in done.stderr
    assert "trainer=cpu is now trainer=cpu machine=cpu" in done.stderr
