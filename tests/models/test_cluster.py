"""Rounds of Cluster-Contrast on the tiny synthetic set, and its step against loops."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from tests.models.steps import same_states, without_persons
from torch import nn
from torch.nn import functional as F

from reid_lit.backbones.base import Backbone
from reid_lit.callbacks.training import RandomState
from reid_lit.health.agreement import agreement
from reid_lit.models.cluster import ClusterContrast
from reid_lit.models.density_clusters import centres
from reid_lit.records import JUNK, Batch, TransferBatch
from reid_lit.run.datasets import make_data

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.15
    "ignore:.*does not have many workers",
    "ignore:.*is smaller than the logging interval",
)
BASE = (
    "loader.batch_size=8", "machine.workers=0", "neck=bnneck2", "transform=strong", "transform.size=[32,16]",
    "transform.train.crop.pad=2", "model=cluster", "loss=cluster", "sampler=cluster_cameras", "sampler.images=4",
    "sampler.iterations=3", "model.k1=8", "model.k2=3", "optimizer=adam", "evaluation=strong",
    "machine.accelerator=cpu", "machine.progress_bar=false",
)  # fmt: skip
ALONE = ("dataset=synthetic", "dataset.size=tiny", "dataset.world=campus")
BESIDE = (
    "dataset=transfer", "dataset.source={dataset:synthetic,size:tiny,world:plaza}",
    "dataset.target={dataset:synthetic,size:tiny,world:campus}", "model.source_norms=own",
)  # fmt: skip


def tiny_backbone(seed=0):
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    return Backbone(body, dim=8, mean=[0.5] * 3, std=[0.25] * 3)


def built(config, persons=12) -> ClusterContrast:
    config.model.backbone = None
    made = instantiate(config.model, _convert_="all")
    return made.func(**made.keywords | {"backbone": tiny_backbone()}, persons=persons)


class Watch(pl.Callback):
    """The model at the start of each epoch, and what each epoch drew."""

    def __init__(self):
        self.states, self.drawn, self.labels, self.memories = [], [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if batch_idx == 0:
            self.states.append({name: value.clone() for name, value in module.state_dict().items()})
            self.labels.append(module._labels.tolist())
            self.memories.append(module.memories[0].memory.clone())
            self.drawn.append([])
        parts = batch if isinstance(batch, TransferBatch) else (batch,)
        self.drawn[-1] += [
            pair for part in parts for pair in zip(part.index.tolist(), part.person.tolist(), strict=True)
        ]


@pytest.fixture
def fit(compose, drawn):
    def run(*overrides, data=ALONE, epochs=3, blind=False, resume=None, callbacks=(), **trainer):
        words = (*data, *BASE, f"data_root={drawn}", f"trainer.max_epochs={epochs}", *overrides)
        config = compose(
            *words, f"+trainer.enable_checkpointing={any(isinstance(each, ModelCheckpoint) for each in callbacks)}"
        )
        config.trainer.callbacks, config.trainer.logger = None, False
        data = make_data(config)
        if blind:
            without_persons(data)
        model, watch = built(config), Watch()
        watching = [RandomState(seed=0), watch, *callbacks]
        fitted = instantiate(config.trainer, _convert_="all", callbacks=watching, **trainer)
        fitted.fit(model, datamodule=data, ckpt_path=resume)
        return model, watch, fitted

    return run


def test_each_round_trains_on_the_clusters_of_its_own_features(fit, caplog):
    model, watch, trainer = fit("sampler=cluster", "sampler.images=4", "sampler.iterations=3")
    data = trainer.datamodule
    assert len(watch.labels) == 3
    assert "the start is damaged" not in caplog.text
    assert watch.labels[0] != watch.labels[1]
    for drawn, labels, memory, state in zip(watch.drawn, watch.labels, watch.memories, watch.states, strict=True):
        assert all(labels[index] == person != JUNK for index, person in drawn)
        assert len(drawn) == 3 * 8
        assert max(labels) + 1 == len(memory) > 1
        model.load_state_dict(state)
        images = torch.cat([batch.image for batch in data.plain_dataloader()])
        with torch.no_grad():
            features = model.eval()(images / 255).embedding
        torch.testing.assert_close(features.norm(dim=1), torch.ones(len(images)))
        expected = F.normalize(centres(features, torch.tensor(labels)), dim=1)
        torch.testing.assert_close(memory, expected, atol=1e-5, rtol=1e-4)
    assert trainer.callback_metrics["cluster/clusters"] > 1
    assert -1 <= trainer.callback_metrics["cluster/stability"] <= 1
    assert model.round_figures["round_clusters"] == trainer.callback_metrics["cluster/clusters"]


def test_persons_of_the_target_change_no_weight(fit):
    seeing, blind = (fit(blind=blind, epochs=2)[0] for blind in (False, True))
    assert same_states(seeing.state_dict(), blind.state_dict())
    assert torch.equal(seeing.memories[0].memory, blind.memories[0].memory)


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.parametrize("data", [ALONE, BESIDE], ids=["alone", "beside a source"])
def test_a_run_that_was_killed_in_a_round_goes_on_as_if_it_had_not_been(fit, tmp_path, data):
    checkpoints = ModelCheckpoint(tmp_path / "kept", filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    whole, watch, _ = fit(data=data, callbacks=[checkpoints])

    class Kill(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            if trainer.current_epoch == 2 and batch_idx == 1:
                raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(data=data, resume=tmp_path / "kept" / "epoch=1.ckpt", callbacks=[Kill()])
    resumed, rest, _ = fit("model.weights=gone", data=data, resume=tmp_path / "kept" / "epoch=1.ckpt")
    assert same_states(whole.state_dict(), resumed.state_dict())
    assert torch.equal(whole.memories[0].memory, resumed.memories[0].memory)
    assert watch.drawn[2:] == rest.drawn
    assert whole._figures == resumed._figures


def test_a_first_round_that_damages_its_start_is_said_once(fit, caplog, monkeypatch):
    spreads = iter([0.8, 0.3, 0.1])  # of the features before each round
    monkeypatch.setattr("reid_lit.models.cluster.feature_spread", lambda _: next(spreads))
    fit(data=BESIDE)
    (said,) = [each.getMessage() for each in caplog.records if "the start is damaged" in each.getMessage()]
    assert "went from 0.80 to 0.30" in said
    assert said.endswith("lower optimizer.lr, now 0.00035")


def test_beside_a_source_both_have_classes_and_norms_of_their_own(fit):
    model, watch, trainer = fit(data=BESIDE, epochs=2)
    split = trainer.datamodule.split
    first = sum(shot.person_id != JUNK for shot in split.train)
    persons = len({shot.person_id for shot in split.train} - {JUNK})
    for drawn, labels, memory in zip(watch.drawn, watch.labels, watch.memories, strict=True):
        assert sorted(set(labels[:first])) == list(range(persons))
        clusters = set(labels[first:]) - {JUNK}
        assert sorted(clusters) == list(range(persons, len(memory)))
        assert [index < first for index, _ in drawn[:16]] == [True] * 8 + [False] * 8
        assert all(labels[index] == person for index, person in drawn)
        assert len(drawn) == 3 * 16
    own, other = model.backbone.body[1], model.source_norms.copies[0]
    assert not torch.equal(own.running_mean, other.running_mean)
    assert not torch.equal(own.weight, other.weight)
    assert model.round_labels.max() + 1 == model.round_figures["round_clusters"]
    assert trainer.callback_metrics.keys() >= {"train/contrast_source", "train/contrast_target"}


def test_a_step_is_that_of_loops(compose):
    model = built(compose(*ALONE, *BASE, "model.pool.p=2.0")).train()
    model.log = model.log_dict = lambda *_, **__: None
    generator = torch.Generator().manual_seed(2)
    memory = F.normalize(torch.randn(3, 8, generator=generator), dim=1)
    model.memories[0].restart(memory)
    image, cluster = torch.rand(6, 3, 32, 16, generator=generator), torch.tensor([2, 0, 2, 1, 1, 2])
    loss = model.training_step(Batch(image, cluster, cluster, cluster), 0)
    loss.backward()
    with torch.no_grad():
        maps = built(compose(*ALONE, *BASE)).train().backbone(image)
        pooled = maps.clamp_min(1e-6).square().mean((2, 3)).sqrt()
        normed = (pooled - pooled.mean(0)) / (pooled.var(0, correction=0) + 1e-5).sqrt()
        rows = [row / row.norm() for row in normed]
        total = 0.0
        for row, own in zip(rows, cluster.tolist(), strict=True):
            powers = [torch.exp(row @ vector / 0.05) for vector in memory]
            total -= float(torch.log(powers[own] / sum(powers)))
        for row, own in zip(rows, cluster.tolist(), strict=True):
            memory[own] = 0.1 * memory[own] + 0.9 * row
            memory[own] /= memory[own].norm()
    assert float(loss.detach()) == pytest.approx(total / 6, rel=1e-4)
    torch.testing.assert_close(model.memories[0].memory, memory, atol=1e-5, rtol=1e-4)
    assert model.pool.p.grad.abs() > 0
    assert not model.neck.norm.bias.requires_grad


STARTS = (
    # the run's parts, the model's pool, its pool and whether its neck is the run's, what is said
    ((), {"p": 1.0}, 3.7, True, "loaded is its backbone and pool, and its neck"),
    (("pool",), {"p": 1.0}, 1.0, True, "loaded is its backbone, and its neck"),
    (("pool",), {"p": 3.0}, 3.0, False, "its backbone alone: it has no weights of a pool"),
    (("neck",), {"p": 3.0}, 3.7, False, "its backbone and pool; its neck has other weights"),
    ((), {"learned": False}, 3.0, False, "its backbone alone: model.pool is another than its own"),
)


@pytest.fixture
def started(tmp_path):
    """A model before its first epoch, and the state of the run that it starts from, which lacks some parts."""

    def start(config, lacking=()):
        state = built(config).state_dict() | {"pool.p": torch.tensor([3.45])}
        state = {key: value + 0.25 if value.is_floating_point() else value for key, value in state.items()}
        state = {key: value for key, value in state.items() if key.partition(".")[0] not in lacking}
        torch.save({"state_dict": state, "stage": 2}, tmp_path / "run.ckpt")  # an adapted network is a start too
        config.model.weights = str(tmp_path / "run.ckpt")
        model = built(config)
        model.start()
        return model, state

    return start


def test_it_starts_from_a_run_and_takes_its_neck_behind_the_same_pool(compose, started, caplog):
    caplog.set_level("INFO")
    config = compose(*ALONE, *BASE)
    for lacking, pool, p, neck, said in STARTS:
        caplog.clear()
        config.model.pool = {**config.model.pool, "p": 3.0, "learned": True, **pool}
        model, given = started(config, lacking)
        assert torch.equal(model.backbone.body[0].weight, given["backbone.body.0.weight"])
        assert float(model.pool.p.detach()) == pytest.approx(p)
        assert torch.equal(model.neck.norm.running_mean, torch.full([8], 0.25)) == neck
        assert said in caplog.text


def test_norms_of_a_source_begin_as_those_of_the_start_and_rest_with_the_backbone(compose, started):
    model, _ = started(compose(*BESIDE, *BASE, "model.recipe.frozen_epochs=1"))
    copies = model.source_norms.copies
    for norm, copy in zip((model.backbone.body[1], model.neck.norm), copies, strict=True):
        assert same_states(norm.state_dict(), copy.state_dict())
        assert (copy.running_mean == 0.25).all()
    model._trainer = SimpleNamespace(current_epoch=0, world_size=1)
    model.on_train_epoch_start()
    assert [copy.training for copy in copies] == [copy.weight.requires_grad for copy in copies] == [False, True]
    model.trainer.current_epoch = 1
    model.on_train_epoch_start()
    assert [copy.training for copy in copies] == [copy.weight.requires_grad for copy in copies] == [True, True]


@pytest.mark.parametrize(
    ("overrides", "data", "message"),
    [
        (["model.k1=85"], ALONE, r"^k1=85: more than the 84 images of .*; give 84 or less"),
        (["model.eps=1.0"], ALONE, r"^eps=1\.0: a Jaccard distance is in \[0, 1\]"),
        (["scheduler=cosine"], ALONE, r"scheduled by rounds, which are epochs; set scheduler=step"),
        (["loss=id_triplet", "neck=bnneck2"], ALONE, r"trains against a memory of its clusters; set loss=cluster"),
        (["model.source_norms=own"], ALONE, r"a source has norms \(source_norms\), and .* is one data set"),
        (["model.source_norms=null"], BESIDE, r"^source_norms=null: dataset=transfer gives a source"),
        (["model.source_norms=mine"], ALONE, r"^source_norms='mine': choose own, shared, or null"),
        (["model.eps=0.01"], ALONE, r"^eps=0\.01, min_samples=4: round 0: .* raise eps, or lower min_samples"),
        (["dataset.val_persons=4"], ALONE, r"^val_persons=4 holds persons"),
        (["model.weights=nowhere"], ALONE, r"^weights=nowhere: no checkpoint in .*; train the network on a source"),
        (["loader.batch_size=80", "sampler.images=2"], ALONE, r"^batch_size=80: \d+ clusters and up to 2 images"),
    ],
)
def test_what_cannot_be_trained_is_refused(fit, overrides, data, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        fit(*overrides, data=data)


PERSONS, IMAGES = 12, 8


@pytest.fixture
def nobody(tmp_path):
    """Images of nobody known: a pattern of colours a person, in other light and with noise in each image."""
    generator = torch.Generator().manual_seed(0)
    for person in range(PERSONS):
        pattern = torch.rand(1, 3, 4, 2, generator=generator)
        for number in range(IMAGES):
            light = 0.8 + 0.2 * torch.rand(1, generator=generator)
            image = F.interpolate(pattern, (32, 16)) * light + 0.05 * torch.randn(1, 3, 32, 16, generator=generator)
            pixels = (255 * image[0].clamp(0, 1)).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(tmp_path / f"{person:02}_{number}.png")
    return tmp_path


def test_rounds_on_images_of_nobody_find_about_as_many_clusters_as_persons(fit, nobody):
    model, watch, _ = fit(
        "sampler=cluster", "sampler.images=4", "sampler.iterations=10", "transform.train.erase.probability=0.0",
        "optimizer.lr=0.003", "loader.batch_size=16", data=("dataset=images", f"dataset.root={nobody}"), epochs=6,
    )  # fmt: skip
    persons = torch.arange(PERSONS).repeat_interleave(IMAGES)
    first, *_, last = (agreement(torch.tensor(labels), persons) for labels in watch.labels)
    clusters = [len(memory) for memory in watch.memories]
    assert last["pair_F"] > max(first["pair_F"], 0.8), (clusters, first, last)
    assert abs(clusters[-1] - PERSONS) <= 2, clusters
    assert model.round_figures["round_stability"] > 0.8
