"""A run that was made at commit 82168aa, before the rooms, loads, resumes and evaluates to the same digits."""

import json
import re
import shutil
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

import reid_lit
from reid_lit.run.folder import Run
from reid_lit.run.moved import MOVED, renamed

KEPT = Path(__file__).with_name("kept_82168aa")
EXPECTED = json.loads((KEPT / "expected.json").read_text())


@pytest.fixture
def kept(tmp_path):
    shutil.copytree(KEPT, tmp_path / "killed")
    (tmp_path / "killed" / "hydra_folder").rename(tmp_path / "killed" / ".hydra")
    return tmp_path / "killed"


def scores_of(folder):
    return {row["dataset"]: row["scores"] for row in json.loads((folder / "metrics.json").read_text())["results"]}


def test_a_run_of_before_embeds_as_it_did(kept, drawn):
    embedder = reid_lit.load(kept, device="cpu")
    files = [drawn / "synthetic" / "plaza-tiny-0" / "query" / name for name in EXPECTED["embeddings"]]
    for row, expected in zip(embedder(files)[:, :8].tolist(), EXPECTED["embeddings"].values(), strict=True):
        assert row == pytest.approx(expected, rel=1e-5, abs=1e-6)  # another processor adds in another order


def test_a_run_of_before_goes_on_and_is_tested_to_the_same_digits(kept, drawn, command):
    command("resume=killed", f"data_root={drawn}", cwd=kept.parent)
    assert {name: pytest.approx(scores, abs=1e-9) for name, scores in EXPECTED["scores"].items()} == scores_of(kept)
    command("run=killed", f"data_root={drawn}", "hydra.run.dir=again", cwd=kept.parent, module="reid_lit.evaluate")
    assert scores_of(kept.parent / "again") == scores_of(kept)


def test_the_shared_arguments_of_a_model_are_its_recipe(kept):
    before = OmegaConf.load(kept / "config.yaml").model
    model = Run(kept).config().model
    assert set(model.recipe) == {"_target_", "optimizer", "scheduler", "evaluation", "channels_last", "frozen_epochs"}
    assert set(model) | set(model.recipe) == set(before) | {"recipe", "frozen_epochs"}
    assert (model.recipe.scheduler.interval, model.recipe.channels_last) == (before.scheduler.interval, True)
    assert renamed(OmegaConf.to_container(model)) == model


def test_every_part_that_has_moved_is_found_under_its_old_name(kept):
    targets = re.findall(r"_target_: (reid_lit\.\S+)", (kept / "config.yaml").read_text())
    assert any(name.rpartition(".")[0] in MOVED for name in targets)
    config = renamed([{"_target_": name} for name in [*targets, *OTHERS]])
    assert all(callable(get_object(each["_target_"])) for each in config)
    assert Run(kept).config().dataset._target_ == "reid_lit.data.sets.synthetic.Synthetic"


OTHERS = [
    "reid_lit.backbones.ibn.ibn_net50",
    "reid_lit.backbones.osnet.osnet",
    "reid_lit.backbones.resnet.resnet",
    "reid_lit.backbones.timm.densenet",
    "reid_lit.backbones.timm.timm_backbone",
    "reid_lit.callbacks.FiniteLoss",
    "reid_lit.callbacks.Progress",
    "reid_lit.callbacks.RandomState",
    "reid_lit.data.color.ColorJitter",
    "reid_lit.data.csv_list.CsvList",
    "reid_lit.data.cuhk03.CUHK03",
    "reid_lit.data.dukemtmc.DukeMTMC",
    "reid_lit.data.erasing.Erase",
    "reid_lit.data.folder.Folder",
    "reid_lit.data.geometry.RotateShift",
    "reid_lit.data.joint.Joint",
    "reid_lit.data.loading.Loader",
    "reid_lit.data.market1501.Market1501",
    "reid_lit.data.msmt17.MSMT17",
    "reid_lit.data.plain.PlainImages",
    "reid_lit.data.policy.AutoAugment",
    "reid_lit.data.samplers.PersonSampler",
    "reid_lit.data.samplers.ShuffleSampler",
    "reid_lit.data.synergy_sports.SynergySports",
    "reid_lit.data.synthetic.Synthetic",
    "reid_lit.data.transfer.Transfer",
    "reid_lit.data.transforms.Flip",
    "reid_lit.data.transforms.PadCrop",
    "reid_lit.data.transforms.Transform",
    "reid_lit.data.viper.Viper",
    "reid_lit.data.ward.Ward",
    "reid_lit.evaluation.expansion.Expansion",
    "reid_lit.evaluation.graph.GraphRerank",
    "reid_lit.evaluation.protocol.Protocol",
    "reid_lit.evaluation.reciprocal.KReciprocal",
    "reid_lit.evaluation.search.FaissSearch",
    "reid_lit.health.callback.Health",
    "reid_lit.health.collapse.Limits",
    "reid_lit.layers.embae.Decoder",
    "reid_lit.layers.embae.IdentityEncoder",
    "reid_lit.layers.embae.NuisanceEncoders",
    "reid_lit.layers.neck.BatchNormNeck",
    "reid_lit.layers.neck.ClassBlock",
    "reid_lit.layers.neck.DropoutNeck",
    "reid_lit.layers.neck.PlainNeck",
    "reid_lit.layers.pooling.GlobalAveragePool",
    "reid_lit.loggers.csv_logger",
    "reid_lit.loggers.wandb_logger",
    "reid_lit.losses.batch_hard.BatchHardTripletLoss",
    "reid_lit.losses.center.CenterLoss",
    "reid_lit.losses.circle.CircleLoss",
    "reid_lit.losses.contrastive.ContrastiveLoss",
    "reid_lit.losses.criterion.Criterion",
    "reid_lit.losses.criterion.Term",
    "reid_lit.losses.difference.DifferenceLoss",
    "reid_lit.losses.instance.InstanceLoss",
    "reid_lit.losses.triplet.MinedTripletLoss",
    "reid_lit.models.arn.Arn",
    "reid_lit.models.embae.EmbAE",
    "reid_lit.models.pul.Pul",
    "reid_lit.models.schedules.held_exponential",
    "reid_lit.models.schedules.warm_cosine",
    "reid_lit.models.schedules.warm_multistep",
    "reid_lit.models.supervised.Supervised",
    "reid_lit.paper_figures.erasing.erasing",
    "reid_lit.paper_figures.features_2d.features_2d",
    "reid_lit.paper_figures.health.health",
    "reid_lit.paper_figures.learning_rate.learning_rate",
    "reid_lit.paper_figures.losses.losses",
    "reid_lit.paper_figures.norms.norms",
    "reid_lit.paper_figures.score_by_epoch.score_by_epoch",
    "reid_lit.paper_figures.tables.scores",
    "reid_lit.paper_figures.tables.table",
    "reid_lit.pictures.Pictures",
]
"""What else `conf/` named as a `_target_` at 82168aa."""
