import itertools
import json
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from tests.models.steps import without_persons
from torch import nn
from torch.nn import functional as F

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.weights import read_state
from reid_lit.records import Batch, Shot, Split, TransferBatch
from reid_lit.run.datasets import make_data

FREE = ("model.criterion=null", "model.train_backbone_epochs=0")
ROWS = {"full": (), "shared": ("model.private=false",), "unsupervised": FREE, "rebuilt": (*FREE, "model.private=false")}
PLAZA, CAMPUS = ("{dataset: synthetic, size: tiny, world: " + world + "}" for world in ("plaza", "campus"))


def tiny_backbone():
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1)
    )
    return Backbone(body, dim=8, mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def make(compose):
    def made(*overrides, persons=6):
        config = compose(
            "dataset=transfer", "transform=arn", "transform.size=[32,16]", "model=arn", "loss=arn", "optimizer.lr=1.0e-3",
            "model.widths=[8,8,6]", "scheduler=constant", *overrides,
        )  # fmt: skip
        config.model.backbone = None
        torch.manual_seed(0)
        options = instantiate(config.model, _convert_="all").keywords | {"backbone": tiny_backbone()}
        return instantiate(config.model, _convert_="all").func(**options, persons=persons)

    return made


def transfer_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    source, target = (torch.rand(n, 3, 32, 16, generator=generator) for n in (8, 6))
    none = torch.full((6,), -1)
    camera, index = torch.zeros(8, dtype=torch.long), torch.arange(8)
    return TransferBatch(
        Batch(source, torch.arange(8) % 4, camera, index), Batch(target, none, camera[:6], index[:6] + 8)
    )


def test_the_losses_are_the_papers(make):
    model = make("model.dropout=0.0")
    model.log = lambda *_, **__: None
    batch = transfer_batch()
    got = model.train().losses(batch)
    maps = model.backbone(torch.cat([batch.source.image, batch.target.image]))
    shared = model.shared(maps)
    own = [model.private[0](maps[:8]), model.private[1](maps[8:])]
    rebuilt = model.decoder(torch.cat([shared, torch.cat(own)], 1))
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    d = {(i, j): (shared[i] - shared[j]).norm() for i, j in pairs}
    contrastive = sum(v**2 if i % 4 == j % 4 else (1 - v).clamp_min(0) ** 2 for (i, j), v in d.items()) / len(pairs)
    difference = sum(((F.normalize(c).T @ F.normalize(p)) ** 2).mean() for c, p in zip((shared[:8], shared[8:]), own, strict=True))  # fmt: skip
    expected = {
        "class": F.cross_entropy(model.classifier(shared[:8]), batch.source.person),
        "contrastive": 0.01 * contrastive,
        "reconstruction": 2 * (F.mse_loss(rebuilt[:8], maps[:8]) + F.mse_loss(rebuilt[8:], maps[8:])),
        "difference": 1500 * difference,
    }
    assert set(got) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "terms"),
    [
        ("full", {"class", "contrastive", "reconstruction", "difference"}),
        ("shared", {"class", "contrastive", "reconstruction"}),
        ("unsupervised", {"reconstruction", "difference"}),
        ("rebuilt", {"reconstruction"}),
    ],
)
def test_the_rows_of_table_2_leave_out_what_they_say_and_train_all_that_is_left(make, row, terms):
    model = make(*ROWS[row])
    model.log = lambda *_, **__: None
    losses = model.train().losses(transfer_batch())
    assert set(losses) == terms
    sum(losses.values()).backward()
    assert {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None} == set()
    assert all(p.requires_grad == (row in ("full", "shared")) for p in model.backbone.parameters())


def test_each_part_has_its_own_rate(make):
    model = make()
    groups = model.configure_optimizers()["optimizer"].param_groups
    assert {group["name"]: pytest.approx(group["lr"]) for group in groups} == {
        "backbone": 1e-7, "shared": 1e-3, "private": 1e-3, "decoder": 1e-3, "classifier": 2e-3,
    }  # fmt: skip
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert "backbone" not in {g["name"] for g in make(*FREE).configure_optimizers()["optimizer"].param_groups}


def test_what_is_compared_is_the_shared_feature(make):
    model = make().eval()
    image = torch.rand(2, 3, 32, 16)
    output = model(image)
    assert output.logits is None
    torch.testing.assert_close(output.embedding, model.shared(model.backbone(image)))
    assert torch.equal(output.feature, output.embedding)
    assert model.train()(image).logits.shape == (2, 6)


CLASSIFIER = ("model.private=false", "model.reconstruction_weight=0.0")


def test_the_classifier_alone_is_trained_by_the_source_and_sees_no_target(make, fake_data):
    model = make(*CLASSIFIER, "model.dropout=0.0").train()
    model.check_data(fake_data(), 1)
    model.log = lambda *_, **__: None
    source, target = transfer_batch()
    got = model.losses(source)
    assert set(got) == {"class", "contrastive"}
    shared = model.shared(model.backbone(source.image))
    torch.testing.assert_close(got["class"], F.cross_entropy(model.classifier(shared), source.person))
    assert model.unlabelled(Split("one", (Shot(Path("a"), 3, 0),), (), ())) == ()
    beside = model.losses(TransferBatch(source, target._replace(image=target.image * 3)))
    assert set(beside) == set(got)
    assert not torch.equal(beside["class"], got["class"])  # E_C's norms see the target there


def test_data_of_one_domain_alone_are_refused(make, fake_data):
    with pytest.raises(ValueError, match=r"somewhere is one data set; set dataset=transfer"):
        make().check_data(fake_data(), 1)


def test_maps_that_do_not_become_one_vector_are_refused(make):
    with pytest.raises(ValueError, match=r"maps of 8 × 4 do not become 1 × 1.*test_scale"):
        make().eval()(torch.rand(2, 3, 64, 32))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.kernels=[3,3,3]"],
            r"^kernels=\[3, 3, 3\]: 3 convolutions .* 4 × 2 map; give null",
        ),
        (
            ["model.reconstruction_weight=0.0", "model.difference_weight=0.0"],
            "nothing trains the private encoders; set",
        ),
        (["model.widths=[]"], r"widths=\[\]: the encoders need one layer or more"),
        (["model.difference_weight=-1.0"], "a weight is ≥ 0"),
        ([*ROWS["rebuilt"], "model.reconstruction_weight=0.0"], "nothing is trained; leave one of them"),
        (["model.train_backbone_epochs=-1"], "give 0, which freezes the backbone, or more"),
        (["model.lr_scales.shared=-1.0"], r"lr_scales=.*give each of backbone, shared"),
        (["model.cached_maps=true"], r"^cached_maps=true with train_backbone_epochs=5: .* set train_backbone_epochs=0"),
    ],
)
def test_what_cannot_be_trained_is_refused(make, overrides, message):
    with pytest.raises(ValueError, match=message):
        make(*overrides)


def fit(compose, make, drawn, *overrides, blind=False, epochs=3, **trainer):
    """A model after a training on the tiny worlds, and what the backbone was before each epoch."""
    config = compose(
        "dataset=transfer", f"dataset.source={PLAZA}", f"dataset.target={CAMPUS}", "transform=arn",
        "transform.size=[32,16]", "sampler=person", "sampler.persons=4", "sampler.images=2", "loader.batch_size=8",
        "machine.workers=0", f"data_root={drawn}", "machine.accelerator=cpu", f"trainer.max_epochs={epochs}",
        "trainer.limit_train_batches=2", "machine.progress_bar=false", "+trainer.enable_checkpointing=false",
    )  # fmt: skip
    config.trainer.callbacks, config.trainer.logger = None, False
    data = make_data(config)
    if blind:
        without_persons(data.target)
    data.setup("fit")
    model = make("model.difference_weight=1.0", *overrides, persons=data.persons)  # 1500 is for 2048 channels
    seen, start = [], type(model).on_train_epoch_start

    def watched():
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        start(model)

    model.on_train_epoch_start = watched
    trainer_ = instantiate(config.trainer, _convert_="all", **trainer)
    trainer_.fit(model, datamodule=data)
    return model, [*seen, model.state_dict()]


def moved(before, after):
    return {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval")
@pytest.mark.parametrize("frozen_norms", [True, False])
def test_the_backbone_is_trained_in_its_epochs_and_then_stays_bit_for_bit(compose, make, drawn, frozen_norms):
    scales = "model.lr_scales.backbone=1.0"  # or a step of float32 would be too small to see
    overrides = ("model.train_backbone_epochs=2", f"model.frozen_norms={frozen_norms}", scales)
    model, states = fit(compose, make, drawn, *overrides)
    assert all(value.isfinite().all() for value in states[-1].values())
    steps = list(itertools.pairwise(states))
    assert ["backbone" in moved(*step) for step in steps] == [True, True, False]
    assert all({"shared", "private", "decoder", "classifier"} <= moved(*step) for step in steps)
    statistics = [name for name in states[0] if name.startswith("backbone") and "running" in name]
    assert statistics
    assert torch.equal(states[0][statistics[0]], states[1][statistics[0]]) == frozen_norms
    assert not model.backbone.training
    assert not any(p.requires_grad for p in model.backbone.parameters())


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval")
@pytest.mark.parametrize("row", ["shared", "unsupervised", "rebuilt"])
def test_bf16_takes_steps_in_every_row(compose, make, drawn, row):
    before, *_, after = fit(compose, make, drawn, *ROWS[row], epochs=1, precision="bf16-mixed")[1]
    assert all(value.isfinite().all() for value in after.values())
    assert moved(before, after) >= {"shared", "decoder"}


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval")
def test_persons_of_the_target_change_no_weight_and_bf16_takes_steps(compose, make, drawn):
    seeing, blind = (
        fit(compose, make, drawn, blind=blind, epochs=1, precision="bf16-mixed")[1] for blind in (False, True)
    )
    assert all(value.isfinite().all() for value in seeing[-1].values())
    assert moved(*seeing) >= {"shared", "private", "decoder", "classifier"}
    assert moved(seeing[1], blind[1]) == set()


@pytest.mark.slow
def test_two_ranks_freeze_the_backbone_and_the_run_goes_on_and_is_tested_on_the_target(command, drawn, tmp_path):
    base = (
        "+experiment=plaza_to_campus_arn", "dataset.source.size=tiny", "dataset.target.size=tiny", f"data_root={drawn}",
        "transform.size=[32,16]", "sampler.persons=4", "sampler.images=2", "loader.batch_size=8", "machine.workers=0",
        "backbone.weights=none", "~callbacks.health", "machine=ddp", "machine.accelerator=cpu", "machine.devices=2",
        "model.train_backbone_epochs=1", "model.difference_weight=1.0", "trainer.limit_train_batches=2",
        "trainer.precision=32-true",  # bfloat16 on a CPU leaves what images of this size never touch unwritten
    )  # fmt: skip
    command(*base, "trainer.max_epochs=2", "hydra.run.dir=run", cwd=tmp_path)
    before = read_state(tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [row["dataset"] for row in metrics["results"]] == ["synthetic_campus"]
    command(*base, "trainer.max_epochs=3", "resume=run", cwd=tmp_path)
    after = read_state(tmp_path / "run")
    assert moved(before, after) == {"shared", "private", "decoder", "classifier"}


def test_a_hidden_layer_of_the_classifier(make):
    model = make("model.classifier_hidden=5", "model.dropout=0.25").eval()
    first, norm, _, dropout, last = model.classifier
    assert (first.weight.shape, last.weight.shape, dropout.p) == ((5, 6), (6, 5), 0.25)
    assert last.weight.std() < 0.003
    assert 0.2 < first.weight.std() < 1.2  # Kaiming's √(2 / 6)
    shared = torch.randn(4, 6)
    normed = (shared @ first.weight.T - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(model.classifier(shared), normed.clamp_min(0) @ last.weight.T + last.bias)
    trained = dict(zip(model._groups(), model.configure_optimizers()["optimizer"].param_groups, strict=True))
    assert {id(p) for p in model.classifier.parameters()} == {id(p) for p in trained["classifier"]["params"]}


def test_without_one_the_classifier_is_that_of_before(make):
    assert [type(layer) for layer in make().classifier] == [nn.Dropout, nn.Linear]
    with pytest.raises(
        ValueError, match=r"^classifier_hidden=0: a layer has 1 channel or more; null is no hidden layer"
    ):
        make("model.classifier_hidden=0")
