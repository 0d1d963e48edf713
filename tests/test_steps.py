"""Every option of the groups that a training is made of takes a real training step on the tiny synthetic set."""

import pytest
import torch
from hydra.utils import instantiate

from reid_lit.paths import options
from reid_lit.run.datasets import make_data

GROUPS = ("backbone", "loss", "neck", "optimizer", "sampler", "scheduler", "transform")
OF_ONE_MODEL = {
    "loss=aligned",
    "loss=clip_reid",
    "loss=id_triplet_jigsaw",
    "loss=prompts",
    "loss=mgn",
    "loss=mgn_fastreid",
    "loss=parts_id",
    "loss=parts_id_triplet",
}  # their models' tests step
OF_ONE_SIZE = {"backbone=vit_base"} | {f"backbone={name}" for name in options("backbone") if "clip" in name}
"""vit_small and vit_tiny are the same code, and smaller; test_clip_resnet trains a thinner ResNet of CLIP."""
OPTIONS = sorted({f"{group}={name}" for group in GROUPS for name in options(group)} - OF_ONE_MODEL - OF_ONE_SIZE)
STRONG = ("+experiment=market_strong", "dataset=synthetic", "machine.accelerator=cpu")
SMALL = ("dataset.size=tiny", "sampler.persons=4", "sampler.images=2", "loader.batch_size=8", "machine.workers=0")
ONE = ("+trainer.max_steps=1", "machine.progress_bar=false", "+trainer.enable_checkpointing=false")


def one_step(compose, drawn, *overrides):
    """The model after a step, with its parameters from before and the loss."""
    chosen = {"backbone": "timm", "loss": "id_triplet"}  # where the overrides choose no other
    pairs = [override.partition("=")[::2] for override in overrides]
    chosen |= {key: value for key, value in pairs if key in GROUPS}
    choices = [f"{group}={option}" for group, option in chosen.items()]
    if chosen["backbone"] == "timm":
        choices.append("backbone.name=test_resnet")
    rest = [override for override, (key, _) in zip(overrides, pairs, strict=True) if key not in chosen]
    config = compose(*STRONG, *SMALL, *ONE, f"data_root={drawn}", *choices, *rest)
    config.trainer.callbacks, config.trainer.logger = None, False
    config.backbone.weights = "none"
    config.transform.size = [64, 32]
    data = make_data(config)
    data.prepare_data()
    data.setup("fit")
    torch.manual_seed(0)
    model = instantiate(config.model, _convert_="all")(persons=data.persons)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    trainer = instantiate(config.trainer, _convert_="all")
    trainer.fit(model, datamodule=data)
    return model, before, trainer.callback_metrics["train/loss"].item()


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval")
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_takes_a_training_step(compose, drawn, option):
    more = []
    if option in (
        "sampler=shuffle",
        "sampler=shuffle_all",
    ):  # keeps neither persons nor images: the whole Strong Baseline wants both
        more = ["~sampler.persons", "~sampler.images", "loss=id", "neck=bnneck1"]
    if option.startswith(
        "sampler=cluster"
    ):  # draws clusters, which a model of clusters makes: test_cluster trains with it
        pytest.skip("draws clusters, not persons")
    model, before, loss = one_step(compose, drawn, option, *more)
    assert loss > 0
    assert loss < float("inf")
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    assert moved
    assert not moved & frozen
