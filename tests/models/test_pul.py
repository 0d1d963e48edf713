import json

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.callbacks import ModelCheckpoint
from tests.models.steps import same_states, without_persons
from torch import nn

from reid_lit.backbones.base import Backbone
from reid_lit.callbacks.training import RandomState
from reid_lit.records import JUNK
from reid_lit.run.datasets import make_data

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.15
    "ignore:.*does not have many workers",
    "ignore:.*is smaller than the logging interval",
)
TINY = ("dataset.size=tiny", "dataset.world=campus", "loader.batch_size=8", "machine.workers=0")


def tiny_backbone(seed=0):
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    return Backbone(body, dim=8, mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def model_0(tmp_path):
    """The checkpoint of a source's run."""
    file = tmp_path / "model_0.ckpt"
    torch.save({"state_dict": {f"backbone.{k}": v for k, v in tiny_backbone(seed=7).state_dict().items()}}, file)
    return file


class Watch(pl.Callback):
    """The model at the start of each epoch, and what each epoch drew."""

    def __init__(self):
        self.states, self.drawn, self.labels = [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if batch_idx == 0:
            self.states.append({name: value.clone() for name, value in module.state_dict().items()})
            self.labels.append(module._labels.tolist())
            self.drawn.append([])
        self.drawn[-1] += zip(batch.index.tolist(), batch.person.tolist(), strict=True)


@pytest.fixture
def fit(compose, drawn, model_0):
    def run(*overrides, weights=model_0, epochs=4, blind=False, resume=None, callbacks=(), **trainer):
        config = compose(
            "dataset=synthetic", "neck=dropout", "transform=pul", "transform.size=[32,16]", "model=pul", "loss=id", *TINY,
            "model.clusters=6", "model.epochs_per_round=2", "model.threshold=0.9", "scheduler=constant",
            f"model.weights={weights}", "optimizer.lr=0.2", f"data_root={drawn}", "machine.accelerator=cpu",
            f"trainer.max_epochs={epochs}", "machine.progress_bar=false", *overrides,
            f"+trainer.enable_checkpointing={bool(callbacks)}",
        )  # fmt: skip
        config.trainer.callbacks, config.trainer.logger = None, False
        data = make_data(config)
        if blind:
            without_persons(data)
        config.model.backbone = None
        made = instantiate(config.model, _convert_="all")
        model = made.func(**made.keywords | {"backbone": tiny_backbone()}, persons=12)
        watch = Watch()
        watching = [RandomState(seed=0), watch, *callbacks]
        fitted = instantiate(config.trainer, _convert_="all", callbacks=watching, **trainer)
        fitted.fit(model, datamodule=data, ckpt_path=resume)
        return model, watch, fitted

    return run


def part(state, name):
    return {key: value for key, value in state.items() if key.startswith(name)}


def test_each_round_trains_model_0_anew_on_the_images_that_the_round_before_selected(fit, model_0):
    model, watch, trainer = fit("model.threshold=0.99")
    given = torch.load(model_0)["state_dict"]
    assert [same_states(part(state, "backbone"), given) for state in watch.states] == [True, False, True, False]
    assert all(trainer.callback_metrics[name] > 0 for name in ("pul/selected", "pul/clusters", "pul/least"))
    heads = [state["neck.classifier.weight"] for state in watch.states]
    assert not torch.equal(heads[0], heads[2])
    assert all(head.shape == (6, 8) for head in heads)
    assert [heads[k].std().item() for k in (0, 2)] == pytest.approx([0.001] * 2, rel=0.4)
    assert watch.labels[0] == watch.labels[1] != watch.labels[2] == watch.labels[3]
    for drawn, labels in zip(watch.drawn, watch.labels, strict=True):
        assert all(labels[index] == person != JUNK for index, person in drawn)
        kept = [index for index, label in enumerate(labels) if label != JUNK]
        assert 0 < len(kept) < len(labels)
        assert len({index for index, _ in drawn}) == len(drawn) == len(kept) // 8 * 8
    found = [label for label in watch.labels[2] if label != JUNK]
    sizes = sorted(found.count(label) for label in set(found))
    assert [int(trainer.callback_metrics[f"pul/{name}"]) for name in ("selected", "clusters", "least", "most")] == [
        len(found), len(sizes), sizes[0], sizes[-1],
    ]  # fmt: skip
    assert model.training


def test_the_incomplete_last_batch_of_a_round_is_kept(fit):
    _, watch, _ = fit("sampler=shuffle_all", "loader.batch_size=11", "model.threshold=0.99")
    left = [sum(label != JUNK for label in labels) % 11 for labels in watch.labels]
    for drawn, labels, rest in zip(watch.drawn, watch.labels, left, strict=True):
        kept = {index for index, label in enumerate(labels) if label != JUNK}
        assert len({index for index, _ in drawn}) == len(drawn) == len(kept) - (rest == 1)
        assert {index for index, _ in drawn} <= kept
    assert max(left) > 1


def test_features_are_those_of_the_plain_images_in_evaluation_mode(fit):
    model, _, trainer = fit("model.epochs_per_round=1", epochs=1)
    data = trainer.datamodule
    got = model._training_features()
    images = torch.cat([batch.image for batch in data.plain_dataloader()])
    with torch.no_grad():
        expected = model.eval().backbone(images / 255).mean((2, 3))
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_persons_of_the_target_change_no_weight(fit, precision):
    seeing, blind = (
        fit(blind=blind, precision=precision, epochs=4, limit_train_batches=2)[0] for blind in (False, True)
    )
    assert same_states(seeing.state_dict(), blind.state_dict())
    assert all(value.isfinite().all() for value in blind.state_dict().values())


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_a_killed_run_goes_on_in_its_round_without_model_0(fit, tmp_path):
    checkpoints = ModelCheckpoint(tmp_path / "kept", filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    whole, watch, _ = fit(callbacks=[checkpoints], limit_train_batches=3)
    for epoch in range(3):
        killed = tmp_path / "kept" / f"epoch={epoch}.ckpt"
        resumed, rest, _ = fit(weights="gone", resume=killed, limit_train_batches=3)
        assert same_states(whole.state_dict(), resumed.state_dict())
        assert watch.drawn[epoch + 1 :] == rest.drawn


def test_a_finished_run_goes_on_with_new_labels(fit, tmp_path):
    _, _, trainer = fit("model.epochs_per_round=1", epochs=1, limit_train_batches=2)
    trainer.save_checkpoint(tmp_path / "done.ckpt")
    longer, _, _ = fit("model.epochs_per_round=1", epochs=2, resume=tmp_path / "done.ckpt", limit_train_batches=2)
    whole = fit("model.epochs_per_round=1", epochs=2, limit_train_batches=2)[0]
    assert longer._round == 1
    assert same_states(whole.state_dict(), longer.state_dict())


def test_a_last_cluster_without_a_reliable_image_keeps_its_column(fit, monkeypatch):
    from reid_lit.models import pul

    def without_the_last(features, **asked):
        labels, centroids = pul_cluster(features, **asked)
        return labels.clamp(max=3), centroids

    pul_cluster = pul.cluster
    monkeypatch.setattr(pul, "cluster", without_the_last)
    model, watch, _ = fit("model.epochs_per_round=1", epochs=1)
    assert max(watch.labels[0]) == 3
    assert model.neck.classifier.out_features == 6


@pytest.mark.parametrize(
    ("overrides", "weights", "message"),
    [
        (
            [],
            "null",
            r"^weights=null, but stage 2 starts from a run of stage 1; train PUL's model 0.*\+experiment=duke_pul_source",
        ),
        ([], "nowhere", r"^weights=nowhere: no checkpoint in /.*nowhere, .*; train PUL's model 0"),
        (["model.clusters=85"], None, r"^clusters=85 of 84 training images; set clusters < 84"),
        (
            ["model.clusters=2", "model.threshold=0.9999999"],
            None,
            r"^threshold=0\.9999999: round 0: \d of 84 images in \d of 2 clusters are reliable; .*: too few .* lower",
        ),
        (["model.threshold=1.0"], None, r"threshold=1\.0 is no cosine that an image can exceed"),
        (["model.clusters=1"], None, r"clusters=1 must be ≥ 2"),
        (["model.epochs_per_round=0"], None, r"epochs_per_round=0 must be ≥ 1"),
        (
            ["model.epochs_per_round=3"],
            None,
            r"^epochs_per_round=3: trainer\.max_epochs=4 ends within a round, .*; set trainer\.max_epochs=6",
        ),
        (["scheduler=cosine"], None, r"cannot know how many steps a round will have; set scheduler=constant or step"),
    ],
)
def test_what_cannot_be_trained_is_refused(fit, model_0, overrides, weights, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        fit(*overrides, weights=weights or model_0)


def test_features_that_are_all_the_same_are_refused(fit, tmp_path, model_0):
    state = torch.load(model_0)["state_dict"]
    dead = tmp_path / "dead.ckpt"
    torch.save({"state_dict": {key: v if "mean" in key or "std" in key else v * 0 for key, v in state.items()}}, dead)
    with pytest.raises(ValueError, match=r"round 0: 0 of 84 images in 0 of 6 clusters .* has collapsed"):
        fit(weights=dead)


@pytest.mark.parametrize("facts", [{"two_domains": True}, {"draws_by_member": True}])
def test_other_data_than_the_target_alone_are_refused(compose, fake_data, facts):
    config = compose("model=pul", "neck=dropout", "scheduler=constant", "loss=id")
    config.model.backbone = None
    made = instantiate(config.model, _convert_="all")
    model = made.func(**made.keywords | {"backbone": tiny_backbone()}, persons=12)
    model._trainer = type("Trainer", (), {"datamodule": fake_data(**facts), "max_epochs": 4})
    with pytest.raises(ValueError, match="trains on the target alone; set dataset=<target>"):
        model.setup("fit")


@pytest.mark.slow
def test_two_ranks_share_the_labels_of_two_rounds_and_the_run_is_tested(command, compose, drawn, tmp_path):
    backbone = instantiate(compose("backbone=resnet18", "backbone.weights=none").backbone, _convert_="all")
    torch.save({"state_dict": {f"backbone.{k}": v for k, v in backbone.state_dict().items()}}, tmp_path / "0.ckpt")
    base = (
        "+experiment=plaza_to_campus_pul", *TINY, f"data_root={drawn}", "transform.size=[32,16]",
        f"model.weights={tmp_path / '0.ckpt'}", "model.clusters=6", "model.epochs_per_round=1", "machine=ddp",
        "machine.accelerator=cpu", "machine.devices=2", "sampler=shuffle_all", "optimizer.lr=1.0e-4",
    )  # fmt: skip
    command(*base, "trainer.max_epochs=2", "hydra.run.dir=run", cwd=tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [row["dataset"] for row in metrics["results"]] == ["synthetic_campus"]
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    state = checkpoint["pul"]
    assert (state["ended"], state["round"], len(state["labels"])) == (2, 1, 84)
    selected = sum(
        label != JUNK for label in state["labels"].tolist()
    )  # in round 0 all 84: 10 whole batches and 4 images
    assert checkpoint["global_step"] == 11 + selected // 8 + (selected % 8 >= 4)
