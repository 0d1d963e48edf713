"""What watches over an adaptation: what it sees, that it changes nothing, that it stops and chooses."""

import copy
import csv
import re
from dataclasses import replace

import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from reid_lit.backbones.base import Backbone
from reid_lit.health.collapse import Collapse, Limits
from reid_lit.health.domains import watched_images
from reid_lit.health.figures import evaluating
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import Run

PLAZA, CAMPUS = ("{dataset: synthetic, size: tiny, world: " + world + "}" for world in ("plaza", "campus"))
LIMITS = Limits(rank=2.0, spread=0.01, dead=0.99)
quiet = pytest.mark.filterwarnings(
    *(f"ignore:.*{words}" for words in ("LeafSpec", "many workers", "smaller than the logging interval", "in eval mode at the start", "Checkpoint directory"))
)  # fmt: skip


def tiny_backbone():
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1)
    )
    return Backbone(body, dim=8, mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def fit(compose, drawn, tmp_path):
    """Train a tiny ARN from plaza to campus in tmp_path/run; gives the model and its Health, if it has one."""

    def fitted(*overrides, epochs=2, watched=True, change=lambda _: None, resume=False):
        config = compose(
            "+experiment=duke_to_market_arn", f"dataset.source={PLAZA}", f"dataset.target={CAMPUS}", f"data_root={drawn}",
            "transform.size=[32,16]", "sampler.persons=4", "sampler.images=2", "loader.batch_size=8", "machine.workers=0",
            "model.widths=[8,8,6]", "model.difference_weight=1.0", "machine=cpu", "trainer=cpu", f"trainer.max_epochs={epochs}",
            "trainer.limit_train_batches=2", "~callbacks.pictures", "~callbacks.progress", "~callbacks.learning_rate",
            "machine.progress_bar=false", "callbacks.health.images=20", "callbacks.health.cluster_share=0.1",
            *overrides, *([] if watched else ["~callbacks.health"]),
        )  # fmt: skip
        config.model.backbone = None
        data = make_data(config)
        data.setup("fit")
        torch.manual_seed(0)
        options = instantiate(config.model, _convert_="all").keywords | {"backbone": tiny_backbone()}
        model = instantiate(config.model, _convert_="all").func(**options, persons=data.persons)
        change(model)
        trainer = instantiate(config.trainer, _convert_="all")
        trainer.fit(model, datamodule=data, ckpt_path=tmp_path / "run/checkpoints/last.ckpt" if resume else None)
        watching = [each for each in trainer.callbacks if type(each).__name__ == "Health"]
        return model, watching[0] if watching else None

    return fitted


def table(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


@quiet
def test_a_watched_run_learns_the_same_bit_for_bit_and_tells_of_both_domains(fit, tmp_path):
    unwatched, _ = fit(watched=False)
    (tmp_path / "run/log").rename(tmp_path / "unwatched")
    watched, health = fit("callbacks.health.oracle=true")
    states = unwatched.state_dict(), watched.state_dict()
    assert [name for name, value in states[0].items() if not torch.equal(value, states[1][name])] == []
    rows = table(tmp_path / "run/health.csv")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    of_each = {f"{domain}_{name}" for domain in ("source", "target") for name in ("rank", "spread", "dead", "cosine", "reconstruction")}  # fmt: skip
    assert of_each | {"domain_probe", "clusters", "noise"} <= set(rows[0])
    assert 1 < float(rows[-1]["target_rank"]) <= 6
    logged = [row for row in table(tmp_path / "run/log/metrics.csv") if row.get("health/target_rank")]
    assert [row["health/target_rank"] for row in logged] == [row["target_rank"] for row in rows]
    assert [row["oracle/mAP"] for row in logged] == [row["mAP"] for row in table(tmp_path / "run/oracle.csv")]
    watched.trainer.test(watched, datamodule=watched.trainer.datamodule, verbose=False)
    assert watched.tested.result.scores["mAP"] == float(logged[-1]["oracle/mAP"])  # images as in a test, not augmented
    assert health.chosen is None
    assert watched.selected is None


@quiet
def test_a_resumed_run_goes_on_without_double_rows(fit, tmp_path):
    fit(epochs=3)
    whole = (tmp_path / "run/health.csv").read_text()
    for file in (tmp_path / "run/health.csv", tmp_path / "run/checkpoints/last.ckpt"):
        file.unlink()
    fit(epochs=2)
    (tmp_path / "run/health.csv").write_text("of a look whose checkpoint was not written any more\n")
    fit(epochs=3, resume=True)
    assert (tmp_path / "run/health.csv").read_text() == whole


@quiet
def test_features_that_collapse_stop_the_run_and_leave_the_last_checkpoint(fit, tmp_path):
    def constant_from_the_second_epoch(model):
        start = model.on_train_epoch_start

        def faded():
            start()
            if model.current_epoch == 1:
                nn.init.zeros_(model.shared.layers[-1].weight)
                nn.init.ones_(model.shared.layers[-1].bias)
                model.shared.requires_grad_(False)

        model.on_train_epoch_start = faded

    words = (
        r"the shared feature of the source has effective rank 0 at epoch 2 \(it was [\d.]+ before training\): beyond the"
        r" limit rank=2\.0.*model\.difference_weight=1\.0.*limits\.rank=null to go on"
    )
    with pytest.raises(Collapse, match=words):
        fit(epochs=3, change=constant_from_the_second_epoch)
    assert Run(tmp_path / "run").read_checkpoint()["epoch"] == 0
    assert [row["epoch"] for row in table(tmp_path / "run/health.csv")] == ["0", "1", "2"]


@quiet
def test_an_epoch_is_chosen_by_a_figure_and_its_weights_are_tested(fit, tmp_path):
    model, health = fit("callbacks.health.selection=target_spread", epochs=3)
    spreads = [health.rows[epoch]["target_spread"] for epoch in (1, 2, 3)]
    best = 1 + spreads.index(max(spreads))
    assert model.selected == {"epoch": best, "figure": "target_spread", "value": max(spreads)}
    run = Run(tmp_path / "run")
    chosen, last = run.read_weights(), run.read_checkpoint()
    assert (chosen["epoch"], last["epoch"]) == (best - 1, 2)
    assert chosen["selected"] == model.selected
    assert "selected" not in last
    assert all(torch.equal(value, chosen["state_dict"][name]) for name, value in model.state_dict().items())
    fit(epochs=4, resume=True)  # by no figure any more
    assert run.read_weights()["epoch"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "selection=mAP",
            r"selection=mAP is no figure by which an epoch can be chosen; choose last, or one of domain_probe",
        ),
        ("images=1", r"images=1 must be ≥ 2"),
        ("limits.dead=2.0", r"dead=2\.0: give a number in \[0, 1\], or null"),
    ],
)
def test_what_cannot_be_watched_is_refused(compose, options, message):
    config = compose("callbacks=adaptation", f"callbacks.health.{options}")
    with pytest.raises(Exception, match=message):  # Hydra's, around ours
        instantiate(config.callbacks.health)


@quiet
def test_a_figure_that_is_not_measured_is_no_choice(fit):
    with pytest.raises(
        ValueError, match=r"^selection=source_cosine is not measured here; choose last, or one of domain_probe"
    ):
        fit("model.private=false", "callbacks.health.selection=source_cosine")


def test_limits_say_what_is_beyond_them():
    LIMITS.check({"target_rank": 2.0, "target_spread": 0.01, "target_dead": 0.99, "clusters": 0}, {}, epoch=1, cure="")
    for name, value, words in (
        ("target_rank", 1.3, "the target has effective rank 1.3 at epoch 7 (it was 85 before training): beyond"),
        ("source_spread", 0.001, "the source spreads by 0.001 around its mean at epoch 7"),
        ("target_dead", 1.0, "the target has 100.0% dead dimensions at epoch 7"),
        ("target_nonfinite", 0.25, "25.0% of the shared features of the target are infinite or no number at epoch 7"),
    ):
        with pytest.raises(Collapse, match=re.escape(words)):
            LIMITS.check({name: value}, {"target_rank": 85.0}, epoch=7, cure="")
    narrow = {"source_spread": 0.0036, "target_dead": 0.995}  # from the start, and not by training
    LIMITS.check(narrow, narrow, epoch=1, cure="")
    with pytest.raises(Collapse, match="source spreads by 0"):
        LIMITS.check({"source_spread": 0.0}, {"source_spread": 0.0}, epoch=1, cure="")
    Limits(rank=None, spread=None, dead=None).check({"target_rank": 0.0, "source_dead": 1.0}, {}, epoch=1, cure="")


def test_the_mode_of_every_part_is_given_back():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()))
    model[1][0].eval()
    before = [part.training for part in model.modules()]
    with evaluating(model):
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()] == before == [True, True, True, False, True]


class Unread:
    """A shot whose person nobody may ask for."""

    def __init__(self, shot):
        self.path, self.camera_id, self.value_range = shot.path, shot.camera_id, shot.value_range


def test_where_the_target_stands_alone_the_source_is_what_was_trained_on_before(compose, drawn):
    config = compose("dataset.size=tiny", "dataset.world=campus", f"data_root={drawn}", "transform.size=[32,16]")
    target, source = make_data(config), make_data(compose("dataset.size=tiny", f"data_root={drawn}"))
    target.setup()
    source.setup()
    before = [str(shot.path) for shot in source.split.train[:7]]
    blind = copy.copy(target)
    blind.split = replace(target.split, train=tuple(Unread(shot) for shot in target.split.train))
    found = watched_images(blind, before, images=9, seed=0)
    assert {name: len(domain.image) for name, domain in found.items()} == {"source": 7, "target": 9}
    assert found["source"].camera is None
    assert set(watched_images(blind, [], images=9, seed=0)) == {"target"}
    assert set(watched_images(blind, [str(target.split.train[3].path)], images=9, seed=0)) == {"source"}
    assert set(watched_images(blind, ["/gone.jpg"], images=9, seed=0)) == {"target"}
    again = watched_images(blind, before, images=9, seed=0)
    assert torch.equal(again["target"].image, found["target"].image)
    assert not torch.equal(watched_images(blind, before, images=9, seed=1)["target"].image, found["target"].image)
