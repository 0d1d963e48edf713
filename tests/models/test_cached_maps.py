"""Maps of a frozen network that are kept: equal to those of an uncached run, and refused where they do not fit."""

import json

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from torch import nn

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.weights import read_state
from reid_lit.errors import NotFiniteError
from reid_lit.models import cached_maps
from reid_lit.models.cached_maps import STAMP, check_memory
from reid_lit.records import TransferBatch
from reid_lit.run.datasets import make_data

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.15
    "ignore:.*does not have many workers",
    "ignore:.*is smaller than the logging interval",
    "ignore:.*in eval mode at the start",
)
PLAZA, CAMPUS = ("{dataset: synthetic, size: tiny, world: " + world + "}" for world in ("plaza", "campus"))
ARN = (
    "dataset=transfer", f"dataset.source={PLAZA}", f"dataset.target={CAMPUS}", "transform=arn", "model=arn", "loss=arn",
    "sampler=person", "sampler.persons=4", "sampler.images=2", "model.widths=[8,8,6]", "model.difference_weight=1.0",
    "model.train_backbone_epochs=0", "scheduler=constant", "optimizer.lr=1.0e-3",
)  # fmt: skip
EMBAE = (
    "dataset=synthetic", "dataset.size=tiny", "transform=embae", "neck=embae", "neck.build.hidden=8", "neck.build.dim=4",
    "model=embae", "model.nuisance.hidden=8", "model.nuisance.dim=4", "model.decoder.hidden=8", "optimizer=adam",
    "optimizer.lr=1.0e-2", "scheduler=constant",
)  # fmt: skip
PLAIN = ("~transform.train.flip",)


def backbone():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=8, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    return Backbone(body, dim=8, mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def fit(compose, drawn, tmp_path):
    def run(*overrides, epochs=3, resume=None, **trainer):
        config = compose(
            *overrides, "transform.size=[32,16]", "loader.batch_size=8", "machine.workers=0", f"data_root={drawn}",
            "machine.accelerator=cpu", f"trainer.max_epochs={epochs}", "machine.progress_bar=false",
            "+trainer.enable_checkpointing=false",
        )  # fmt: skip
        config.trainer.callbacks, config.trainer.logger, config.model.backbone = None, False, None
        data = make_data(config)
        data.setup("fit")
        made = instantiate(config.model, _convert_="all")
        network = backbone()
        torch.manual_seed(1)
        model = made.func(**made.keywords | {"backbone": network}, persons=data.persons)
        if "model=embae" in overrides:
            file = tmp_path / "before.ckpt"
            torch.save({"state_dict": model.state_dict()}, file)
            model.weights = str(file)
        watched = Losses()
        fitted = instantiate(config.trainer, _convert_="all", callbacks=[watched], **trainer)
        torch.manual_seed(2)  # dropout's draws
        fitted.fit(model, datamodule=data, ckpt_path=resume)
        assert {values > 0 for values in watched.values} == {not model.cached_maps}  # else images are read in vain
        return model, watched.losses, fitted

    return run


class Losses(pl.Callback):
    """The loss of each step, and how many values the images of its batch have."""

    def __init__(self):
        self.losses, self.values = [], []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item())
        self.values += [part.image.numel() for part in (batch if isinstance(batch, TransferBatch) else (batch,))]


@pytest.mark.parametrize("overrides", [ARN, EMBAE])
def test_a_run_with_kept_maps_is_the_run_without_augmentation_to_a_thousandth(fit, overrides):
    kept, kept_losses, _ = fit(*overrides, "model.cached_maps=true")
    plain, plain_losses, _ = fit(*overrides, *PLAIN)
    assert len(kept_losses) > 20
    assert kept_losses == pytest.approx(plain_losses, rel=1e-3)
    image = torch.rand(6, 3, 32, 16)
    with torch.no_grad():
        torch.testing.assert_close(kept.eval()(image).embedding, plain.eval()(image).embedding, rtol=1e-2, atol=1e-3)
    assert kept.stamp == {"training": STAMP}
    assert plain.stamp == {}


def test_the_maps_are_those_of_the_plain_images_in_half_precision(fit):
    model, _, trainer = fit(*ARN, "model.cached_maps=true", epochs=1)
    images = torch.cat([batch.image for batch in trainer.datamodule.plain_dataloader()]) / 255
    with torch.no_grad():
        expected = model.eval().backbone(images)
    index = torch.tensor([100, 3, 3, 0])
    torch.testing.assert_close(model._cache.of(index), expected[index], rtol=1e-3, atol=1e-6)
    assert model._cache._maps.dtype == torch.float16
    assert len(images) == 168  # of both domains


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_a_killed_run_goes_on_with_the_same_maps(fit, tmp_path):
    whole = fit(*EMBAE, "model.cached_maps=true", epochs=2)[0]
    _, _, trainer = fit(*EMBAE, "model.cached_maps=true", epochs=1)
    trainer.save_checkpoint(tmp_path / "killed.ckpt")
    resumed = fit(*EMBAE, "model.cached_maps=true", epochs=2, resume=tmp_path / "killed.ckpt")[0]
    state = resumed.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())


def test_values_beyond_half_precision_are_told(fit, monkeypatch):
    monkeypatch.setattr(Backbone, "forward", lambda self, image: self.body(image) + 1e5)
    with pytest.raises(NotFiniteError, match="not finite in half precision; set cached_maps=false"):
        fit(*ARN, "model.cached_maps=true")


def test_features_that_change_with_the_batch_are_refused(fit):
    with pytest.raises(ValueError, match=r"^cached_maps=true with frozen_norms=false"):
        fit(*EMBAE, "model.cached_maps=true", "model.frozen_norms=false")


def test_maps_that_do_not_fit_are_refused_with_the_figures_before_training(fit, monkeypatch):
    monkeypatch.setattr(cached_maps, "free_memory", lambda: (3_000, "the machine's memory"))
    check_memory(1, [15, 10, 9])  # 2,700 bytes
    with pytest.raises(ValueError, match=r"the maps of 1 training image, 2048 × 7 × 7 .* need 0\.00 GB, and 0\.00 GB"):
        check_memory(1, [2048, 7, 7])
    with pytest.raises(
        ValueError, match=r"the maps of 20000 training images, 2048 × 7 × 7 in half precision, need 4\.01 GB"
    ):
        check_memory(20_000, [2048, 7, 7])
    with pytest.raises(ValueError, match=r"on each of 2 ranks, need 8\.03 GB"):
        check_memory(20_000, [2048, 7, 7], ranks=2)
    with pytest.raises(ValueError, match=r"^cached_maps=true: the maps of 168 training images, 8 × 4 × 2"):
        fit(*ARN, "model.cached_maps=true")


@pytest.mark.slow
def test_two_ranks_keep_all_maps(command, drawn, tmp_path):
    base = (
        "+experiment=plaza_to_campus_arn", "backbone.weights=none", "dataset.source.size=tiny", "dataset.target.size=tiny",
        f"data_root={drawn}", "transform.size=[32,16]", "sampler.persons=4", "sampler.images=2", "loader.batch_size=8",
        "machine.workers=0", "~callbacks.health", "~callbacks.pictures", "machine.accelerator=cpu",
        "model.criterion=null", "model.train_backbone_epochs=0", "model.cached_maps=true", "model.private=false",
        "trainer.max_epochs=1", "model.widths=[8,8,16]",
    )  # fmt: skip
    command(*base, "machine=ddp", "machine.accelerator=cpu", "machine.devices=2", "hydra.run.dir=two", cwd=tmp_path)
    metrics = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert metrics["results"][0]["stamp"]["training"] == STAMP
    state = read_state(tmp_path / "two")
    assert all(value.isfinite().all() for value in state.values())
