import math

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from torch import nn
from torch.utils.data import DataLoader

from reid_lit.backbones.base import Backbone
from reid_lit.evaluation.protocol import Protocol
from reid_lit.layers.embae import Decoder, IdentityEncoder, NuisanceEncoders
from reid_lit.layers.pooling import GeneralizedMeanPool, GlobalAveragePool
from reid_lit.models.embae import EmbAE
from reid_lit.models.embae_stages import trained_parts
from reid_lit.models.recipe import Recipe
from reid_lit.models.schedules import held_exponential
from reid_lit.records import Batch, Split

PARTS = ("backbone", "neck", "nuisance", "decoder")
WIDTHS = {"hidden": 8, "dim": 4}


def backbone():
    body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4), nn.BatchNorm2d(6), nn.ReLU())
    return Backbone(body, dim=6, mean=[0.5] * 3, std=[0.5] * 3)


def autoencoder(pool=None, **changes):
    def scheduled(optimizer):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)

    asked = {
        "stage": 3,
        "variant": "plain",
        "weights": None,
        "cameras": None,
        "nuisance_epochs": 1,
        "frozen_norms": True,
        "cached_maps": False,
    }
    asked |= changes
    torch.manual_seed(3)
    return EmbAE(
        backbone=backbone(),
        pool=pool or GlobalAveragePool(),
        neck=lambda **sizes: IdentityEncoder(**sizes, **WIDTHS),
        nuisance=lambda **sizes: NuisanceEncoders(**sizes, **WIDTHS),
        decoder=lambda **sizes: Decoder(**sizes, hidden=8),
        persons=5,
        recipe=Recipe(
            optimizer=lambda groups: torch.optim.Adam(groups, lr=1e-2, weight_decay=0.1),
            scheduler={"build": scheduled, "interval": "epoch"},
            evaluation=Protocol(),
            channels_last=False,
            frozen_epochs=0,
        ),
        **asked,
    )


class FakeData(pl.LightningDataModule):
    """What a model asks of its training data, without any."""

    split = Split(name="somewhere", train=(), query=(), gallery=())
    validation = domains = None
    val_persons = 0
    has_fakes = False
    training_list = ""
    tests_by_training_cameras = True
    cameras = 1
    batch_size = 6
    two_domains = draws_by_member = draws_by_person = False

    def normalised_by(self, mean, std):
        pass

    def relabel(self, labels):
        raise NotImplementedError

    def leave_out_images(self):
        raise NotImplementedError

    def plain_dataloader(self):
        raise NotImplementedError

    def mixed_dataloader(self, batch_size):
        raise NotImplementedError

    def as_tested(self, image):
        raise NotImplementedError


class Images(FakeData):
    """Random images of three cameras whose persons nobody may read."""

    cameras = 3

    def train_dataloader(self):
        image = torch.rand(12, 3, 16, 8, generator=torch.Generator().manual_seed(0))
        batches = [Batch(image[k::2], torch.full((6,), -1), torch.arange(6) % 3, torch.arange(6)) for k in range(2)]
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self):
        return []


def copied(model):
    return {name: {k: v.clone() for k, v in getattr(model, name).state_dict().items()} for name in PARTS}


def changed(before, after):
    """The parts of which any weight or statistic differs."""
    return {name for name in PARTS if any(not torch.equal(before[name][k], after[name][k]) for k in before[name])}


class Watch(pl.Callback):
    """What each epoch changed."""

    def __init__(self):
        self.moved = []

    def on_train_epoch_start(self, trainer, module):
        self.before = copied(module)

    def on_train_epoch_end(self, trainer, module):
        self.moved.append(changed(self.before, copied(module)))


def fit(model, epochs=3, resume=None, **options):
    watch = Watch()
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False,
        enable_progress_bar=False, callbacks=[watch], use_distributed_sampler=False, limit_val_batches=0, **options,
    )  # fmt: skip
    trainer.fit(model, datamodule=Images(), ckpt_path=resume)
    return trainer, watch.moved


def saved(model, folder):
    """The folder of a run that ends with the model's weights."""
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": model.state_dict()}, folder / "checkpoints" / "last.ckpt")
    return str(folder)


QUIET = ("does not have many workers", "in eval mode at the start", "log_every_n_steps", "treespec, LeafSpec")
"""What Lightning and torch say of each short training on a laptop."""
quiet = pytest.mark.filterwarnings(*(f"ignore:.*{words}" for words in QUIET))


@pytest.mark.parametrize(
    ("stage", "variant", "expected"),
    [
        (2, None, ["nuisance decoder"] * 3),
        (3, "plain", ["neck nuisance decoder"] * 3),
        (3, "fix", ["neck decoder"] * 3),
        (3, "new", ["nuisance", "neck decoder", "neck decoder"]),
        (3, "cam", ["nuisance", "neck decoder", "neck decoder"]),
    ],
)
@quiet
def test_each_epoch_trains_what_the_variant_says_and_leaves_the_rest_bit_for_bit(tmp_path, stage, variant, expected):
    cameras = 3 if variant == "cam" else None
    run = saved(autoencoder(stage=2, variant=None, cameras=cameras), tmp_path / "run")
    model = autoencoder(stage=stage, variant=variant, cameras=cameras, weights=run)
    _, moved = fit(model)
    assert moved == [set(parts.split()) for parts in expected]
    for epoch, parts in enumerate(expected):
        assert trained_parts(stage, variant, epoch=epoch, nuisance_epochs=1) == set(parts.split())


def parameters_and_statistics(model):
    """The names of the parts' parameters, and of their batch norms' statistics."""
    parts = tuple(f"{part}." for part in PARTS)
    parameters = {name for name, _ in model.named_parameters() if name.startswith(parts)}
    return parameters, {name for name in model.state_dict() if name.startswith(parts) and "running" in name}


@quiet
@pytest.mark.parametrize("frozen_norms", [True, False])
@pytest.mark.parametrize(("stage", "variant"), [(2, None), (3, "fix")])
def test_statistics_of_frozen_parts_stay_or_follow_the_batches(tmp_path, stage, variant, frozen_norms):
    run = saved(autoencoder(stage=2, variant=None), tmp_path / "run")
    model = autoencoder(stage=stage, variant=variant, weights=run, frozen_norms=frozen_norms)
    fit(model, epochs=0)  # loads
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    learning = tuple(f"{part}." for part in trained_parts(stage, variant, epoch=0, nuisance_epochs=1))
    parameters, statistics = parameters_and_statistics(model)
    assert {name for name in parameters & moved if not name.startswith(learning)} == set()
    frozen = {name for name in statistics if not name.startswith(learning)}
    assert {name.partition(".")[0] for name in frozen} == {"backbone", "neck" if stage == 2 else "nuisance"}
    assert frozen & moved == (set() if frozen_norms else frozen)


@quiet
def test_norms_that_follow_end_at_the_statistics_of_the_target(tmp_path):
    """The backbone's weights are frozen, so its first norm sees the same images in every epoch."""
    run = saved(autoencoder(stage=2, variant=None), tmp_path / "run")
    model = autoencoder(variant="fix", weights=run, frozen_norms=False)
    fit(model, epochs=60)
    values = [model.backbone.body[0]((batch.image - 0.5) / 0.5) for batch in Images().train_dataloader()]
    expected = sum(value.mean((0, 2, 3)) for value in values) / len(values)
    torch.testing.assert_close(model.backbone.body[1].running_mean, expected, rtol=0.02, atol=0.005)
    image = next(iter(Images().train_dataloader())).image
    assert torch.equal(model.eval()(image).embedding, model(image).embedding)  # a test changes nothing


def test_the_loss_is_the_mean_squared_error_of_the_feature_and_reads_no_person():
    model = autoencoder(stage=2, variant=None, cameras=3).train()
    model.log = lambda *_, **__: None
    batch = next(iter(Images().train_dataloader()))
    loss = model.training_step(batch._replace(person=None), 0)
    feature = model.backbone.eval()(batch.image).mean((2, 3))
    codes = torch.cat([model.neck.eval()(feature), model.nuisance(feature, batch.camera)], 1)
    first, _, last = model.decoder.layers
    again = (codes @ first.weight.T + first.bias).clamp_min(0) @ last.weight.T + last.bias
    torch.testing.assert_close(loss, sum((a - b) ** 2 for a, b in zip(again.flatten(), feature.flatten(), strict=True)) / feature.numel())  # fmt: skip
    loss.backward()
    assert all(parameter.grad is None for parameter in [*model.backbone.parameters(), *model.neck.parameters()])


@quiet
@pytest.mark.parametrize(
    ("stage", "variant", "taken"),
    [(2, None, {"backbone", "neck"}), (3, "fix", {*PARTS}), (3, "new", {"backbone", "neck", "decoder"})],
)
def test_a_stage_goes_on_from_the_weights_of_the_one_before(tmp_path, stage, variant, taken):
    before = autoencoder()
    with torch.no_grad():
        for parameter in before.parameters():
            parameter.add_(1.0)
    model = autoencoder(stage=stage, variant=variant, weights=saved(before, tmp_path / "run"))
    drawn = copied(model)
    fit(model, epochs=2, limit_train_batches=0)
    assert changed(drawn, copied(model)) == taken
    assert changed(copied(before), copied(model)) == {*PARTS} - taken


@quiet
@pytest.mark.parametrize(("stage", "variant"), [(2, None), (3, "fix")])
def test_the_feature_is_that_of_the_run_before_with_its_pool_too(tmp_path, stage, variant):
    def learned(p):
        return GeneralizedMeanPool(p=p, learned=True, floor=1e-6)

    run = saved(autoencoder(learned(3.7), stage=2, variant=None), tmp_path / "run")
    model = autoencoder(learned(3.0), stage=stage, variant=variant, weights=run)
    fit(model, epochs=1)
    assert model.pool.p.item() == pytest.approx(3.7)
    assert not model.pool.p.requires_grad  # DDP would wait for its gradient
    with pytest.raises(ValueError, match=r"the pool of that run has other weights than model\.pool.*give the pool"):
        fit(autoencoder(stage=stage, variant=variant, weights=run), epochs=1)


@quiet
def test_a_killed_run_goes_on_in_its_own_step_without_the_stage_before(tmp_path):
    run = saved(autoencoder(), tmp_path / "run")
    whole = autoencoder(variant="new", weights=run)
    fit(whole, epochs=3)
    trainer, _ = fit(autoencoder(variant="new", weights=run), epochs=2)
    trainer.save_checkpoint(tmp_path / "killed.ckpt")
    resumed = autoencoder(variant="new", weights="gone")
    _, moved = fit(resumed, epochs=3, resume=tmp_path / "killed.ckpt")
    assert moved == [{"neck", "decoder"}]
    assert changed(copied(whole), copied(resumed)) == set()


@quiet
@pytest.mark.parametrize(("stage", "variant"), [(2, None), (3, "plain"), (3, "fix"), (3, "new"), (3, "cam")])
def test_bfloat16_takes_steps(tmp_path, stage, variant):
    cameras = 3 if variant == "cam" else None
    run = saved(autoencoder(stage=2, variant=None, cameras=cameras), tmp_path / "run")
    model = autoencoder(stage=stage, variant=variant, cameras=cameras, weights=run)
    trainer, moved = fit(model, epochs=2, precision="bf16-mixed")
    assert moved == [trained_parts(stage, variant, epoch=epoch, nuisance_epochs=1) for epoch in range(2)]
    assert math.isfinite(trainer.callback_metrics["train/loss"])


@quiet
@pytest.mark.parametrize(
    ("before", "changes", "message"),
    [
        (
            {"cameras": 3},
            {"variant": "fix"},
            r"has 3 nuisance encoders, and variant fix starts from a stage 2 with one for all.*model\.cameras=null",
        ),
        (
            {},
            {"variant": "cam", "cameras": 3},
            r"has 1 nuisance encoders, and variant cam starts from a stage 2 with one for each camera",
        ),
    ],
)
def test_a_stage_2_of_the_other_kind_is_refused(tmp_path, before, changes, message):
    run = saved(autoencoder(stage=2, variant=None, **before), tmp_path / "run")
    with pytest.raises(ValueError, match=message):
        fit(autoencoder(weights=run, **changes))


@quiet
def test_a_stage_that_goes_on_from_its_own_is_refused(tmp_path):
    trainer, _ = fit(autoencoder(variant="fix", weights=saved(autoencoder(stage=2, variant=None), tmp_path / "run")))
    trainer.save_checkpoint(tmp_path / "3.ckpt")
    with pytest.raises(
        ValueError, match=r"weights=/.*3\.ckpt is a run of stage 3, but stage 3 starts from a run of stage 2"
    ):
        fit(autoencoder(variant="fix", weights=str(tmp_path / "3.ckpt")))


@quiet
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": None}, r"^weights=null, but stage 3 starts from a run of stage 2; train stage 2 first"),
        (
            {"weights": "nowhere"},
            r"^weights=nowhere: no checkpoint in /.*nowhere, but stage 3 .*; train stage 2 first \(\+exp",
        ),
        ({"stage": 2, "variant": None, "weights": "nowhere"}, r"\(\+experiment=duke_embae\), then set model\.weights"),
        (
            {"variant": "fix", "weights": "cam"},
            r"lacks 7 of the \d+ tensors that stage 3 loads, such as nuisance\.branches\.0",
        ),
        ({"variant": "cam", "cameras": 2}, r"^cameras=2, but somewhere has 3 cameras, .*; set cameras=3"),
        (
            {"variant": "new", "nuisance_epochs": 3},
            r"^nuisance_epochs=3: variant new .* trainer\.max_epochs=3 ends before",
        ),
    ],
)
def test_what_is_missing_is_named_before_training(tmp_path, changes, message):
    if changes.get("weights") == "cam":
        other = autoencoder()
        other.nuisance = NuisanceEncoders(features=6, cameras=None, hidden=9, dim=4)
        changes = changes | {"weights": saved(other, tmp_path / "run")}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        fit(autoencoder(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": 1}, r"^stage=1: give 2 or 3; stage 1 is model=strong with neck=embae"),
        ({"stage": 2}, r"^variant=plain belongs to stage 3"),
        ({"variant": "old"}, r"^variant=old is unknown; choose one of plain, fix, new, cam"),
        ({"variant": "cam"}, r"^variant=cam with cameras=null: .* give their number"),
        ({"variant": "new", "cameras": 6}, r"^variant=new with cameras=6: .* one for all"),
        ({"nuisance_epochs": 0}, r"nuisance_epochs=0: give 1 or more"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        autoencoder(**changes)


def test_the_rate_of_stage_1_at_every_epoch(compose):
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1e-4)
    schedule = instantiate(compose("scheduler=held_exponential").scheduler.build)(optimizer)
    for epoch in range(420):
        expected = 1e-4 if epoch < 100 else 1e-4 * 1e-3 ** ((epoch - 100) / 300) if epoch < 400 else 1e-7
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-9), epoch
        optimizer.step()
        schedule.step()
    for wrong in ({"held_epochs": -1}, {"falling_epochs": 0}, {"final": 0.0}):
        with pytest.raises(ValueError, match=r"must be ≥ 0, falling_epochs="):
            held_exponential(optimizer, **({"held_epochs": 1, "falling_epochs": 1, "final": 0.1} | wrong))


def test_health_reads_both_codes_and_what_is_rebuilt_where_the_camera_is_known():
    model, batch = autoencoder(stage=2, variant=None, cameras=3).eval(), next(iter(Images().train_dataloader()))
    parts = model.health_parts(batch.image, batch.camera, source=True)
    output = model(batch.image)
    assert torch.equal(parts.shared, output.embedding)
    assert torch.equal(parts.private, model.nuisance(output.feature, batch.camera))
    assert torch.equal(parts.original, output.feature)
    assert torch.equal(parts.rebuilt, model.decoder(parts.shared, parts.private))
    alone = model.health_parts(batch.image, None, source=False)
    assert torch.equal(alone.shared, parts.shared)
    assert alone[1:] == (None, None, None)


def test_a_frozen_embedding_learns_nothing():
    assert autoencoder().feature_learns
    assert autoencoder(variant="fix").feature_learns
    assert not autoencoder(variant="new").feature_learns  # its first epoch
    assert not autoencoder(stage=2, variant=None).feature_learns
