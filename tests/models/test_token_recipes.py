"""The recipes of transformers: the numbers of their experiments, as the papers' public code has them."""

import functools

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from tests.models.steps import epoch_rates
from torch import nn

HALF = [0.5, 0.5, 0.5]
ERASE = {
    "transform.train.erase.probability": 0.5,
    "transform.train.erase.area": [0.02, pytest.approx(1 / 3)],
    "transform.train.erase.aspect": [0.3, pytest.approx(1 / 0.3)],
    "transform.train.erase.mean": None,  # the backbone's own: standard normal noise
    "transform.train.erase.std": None,
    "transform.interpolation": "bicubic",
    "transform.train.crop.pad": 10,
    "transform.train.flip.probability": 0.5,
}
SIXTEEN_BY_FOUR = {"loader.batch_size": 64, "sampler.persons": 16, "transform.size": [256, 128]}
TRANSREID = {
    "backbone.name": "vit_base_patch16_224.orig_in21k_ft_in1k",
    "backbone.drop_path": 0.1,
    "backbone.stride": None,
    "optimizer.lr": 0.008,
    "optimizer.momentum": 0.9,
    "optimizer.nesterov": False,
    "optimizer.weight_decay": 1e-4,
    "trainer.max_epochs": 120,
    "scheduler.build.warm_epochs": 5,
    "scheduler.build.warm_start": 0.01,
    "scheduler.build.final": 0.002,
    "model.cameras": 0,
    "model.camera_weight": 3.0,
    "model.bias_lr_scale": 2.0,
    "model.layer_decay": 1.0,
    "loss.terms.id.loss.label_smoothing": 0.0,
    "loss.terms.triplet.loss.margin": None,
    **ERASE,
    **SIXTEEN_BY_FOUR,
}
CLIP = {"backbone.drop_path": 0.0, "backbone.mean": HALF, "backbone.std": HALF, "transform.size": [256, 128]}
RECIPES = {
    "market_transreid": TRANSREID | {"evaluation.feature": "feature"},
    "market_transreid_jpm": TRANSREID
    | {
        "evaluation.feature": "joined",
        "model.jigsaw.shift": 4,  # the public code's 5 counts the class token
        "model.jigsaw.groups": 2,
        "model.jigsaw.pieces": 4,
        "loss.terms.id.weight": 0.5,
        "loss.terms.id_parts.weight": 0.5,
        "loss.terms.triplet.weight": 0.5,
        "loss.terms.triplet_parts.weight": 0.5,
    },
    "market_clip_prompts": CLIP
    | {
        "optimizer.lr": 3.5e-4,
        "optimizer.weight_decay": 1e-4,
        "trainer.max_epochs": 120,
        "scheduler.build.warm_epochs": 5,
        "scheduler.build.warm_start": pytest.approx(1e-5 / 3.5e-4),
        "scheduler.build.final": pytest.approx(1e-6 / 3.5e-4),
        "loader.batch_size": 64,
        "model.text.tokens": 4,
        "model.text.before": "A photo of a",
        "model.text.after": "person.",
    },
    "market_clip_reid": CLIP
    | {
        "optimizer.lr": 5e-6,
        "optimizer.weight_decay": 1e-4,
        "trainer.max_epochs": 60,
        "scheduler.build.warm_epochs": 9,  # the public code steps at the start of an epoch
        "scheduler.build.warm_start": 0.19,
        "scheduler.build.milestones": [29, 49],
        "scheduler.build.gamma": 0.1,
        "model.bias_lr_scale": 2.0,
        "model.cameras": 0,
        "model.camera_weight": 1.0,
        "loss.terms.id_token.weight": 0.25,
        "loss.terms.id_projected.weight": 0.25,
        "loss.terms.triplet_before.weight": 1.0,
        "loss.terms.image_to_text.weight": 1.0,
        "loss.terms.image_to_text.loss.label_smoothing": 0.1,
        "loss.terms.triplet_before.loss.margin": 0.3,
        "neck.retrieves": "feature",
        **ERASE,
        **SIXTEEN_BY_FOUR,
    },
    "market_clip_reid_resnet50": {
        "transform.train.erase.mean": None,
        "transform.train.erase.std": None,
        "backbone.std": [0.229, 0.224, 0.225],
        "loss.terms.id_projected.weight": 1.0,
    },
    "market_pcl_clip": CLIP
    | {
        "optimizer.lr": 3.5e-4,
        "optimizer.weight_decay": 5e-4,
        "optimizer.nesterov": False,
        "trainer.max_epochs": 60,
        "scheduler.build.warm_epochs": 10,
        "scheduler.build.warm_start": 0.1,
        "scheduler.build.milestones": [30, 50],
        "sampler.images": 8,
        "sampler.iterations": 200,
        "loader.batch_size": 256,
        "loss.terms.id.weight": 0.25,
        "loss.terms.contrast.loss.momentum": 0.2,
        "loss.terms.contrast.loss.temperature": 0.05,
        "loss.terms.contrast.loss.hardest": True,
        "model.frozen": ["body.model.patch_embed"],
        "transform.interpolation": "bicubic",
        "transform.train.erase.fill": [0.75, 0.75, 0.75],  # 0.5 in a normalised image
    },
}


@pytest.mark.parametrize("experiment", RECIPES)
def test_an_experiment_has_the_numbers_of_its_recipe(compose, experiment):
    config = compose(f"+experiment={experiment}")
    got = {key: functools.reduce(lambda at, part: at[part], key.split("."), config) for key in RECIPES[experiment]}
    assert {key: list(value) if OmegaConf.is_list(value) else value for key, value in got.items()} == RECIPES[
        experiment
    ]


def test_the_rates_of_clip_reids_second_stage_are_those_of_its_public_code(compose):
    build = compose("+experiment=market_clip_reid").scheduler.build
    scheduler = instantiate(build)(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0))
    rates = epoch_rates(scheduler, 60)
    public = [0.1 * (1 - min(epoch / 10, 1)) + min(epoch / 10, 1) for epoch in range(1, 61)]  # its index begins at 1
    assert rates == pytest.approx([rate * 0.1 ** ((e >= 30) + (e >= 50)) for e, rate in enumerate(public, start=1)])
