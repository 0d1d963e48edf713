"""AdaBN: what its one pass finds, what it leaves alone, and that labels change nothing."""

import dataclasses
import json

import pytest
import torch
from hydra.utils import instantiate
from tests.models.steps import same_states
from torch import nn

import reid_lit
from reid_lit.backbones.base import Backbone
from reid_lit.backbones.weights import read_state
from reid_lit.run.datasets import make_data

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.15
    "ignore:.*does not have many workers",
    "ignore:.*is smaller than the logging interval",
    "ignore:.*in eval mode at the start",
)
IMAGES = 84  # of the tiny campus


def two_norms(seed=0):
    torch.manual_seed(seed)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6), nn.ReLU()
    )
    return Backbone(body, dim=6, mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def fit(compose, drawn, tmp_path):
    def run(*overrides, weights=None, blind=False, **trainer):
        config = compose(
            "dataset=synthetic", "dataset.size=tiny", "dataset.world=campus", "transform.size=[32,16]", "neck=bnneck",
            "model=adabn", "machine.workers=0", "loader.batch_size=8", f"data_root={drawn}", "machine.accelerator=cpu",
            "machine.progress_bar=false", "+trainer.enable_checkpointing=false", *overrides,
        )  # fmt: skip
        config.trainer.callbacks, config.trainer.logger, config.model.backbone = None, False, None
        data = make_data(config)
        if blind:
            read = data.read_sound
            data.read_sound = lambda choice: unnamed(read(choice))
        options = instantiate(config.model, _convert_="all").keywords
        made = instantiate(config.model, _convert_="all").func
        source = made(**options | {"backbone": two_norms(seed=3)}, persons=5)
        file = tmp_path / "source.ckpt"
        torch.save({"state_dict": source.state_dict()}, file)
        model = made(**options | {"backbone": two_norms(), "weights": str(weights or file)}, persons=12)
        instantiate(config.trainer, _convert_="all", **trainer).fit(model, datamodule=data)
        return model, source, data

    return run


def unnamed(split):
    return dataclasses.replace(split, train=tuple(dataclasses.replace(shot, person_id=0) for shot in split.train))


def target_images(data):
    return torch.cat([batch.image for batch in data.plain_dataloader()]) / 255


def test_statistics_are_those_of_all_images_at_once(fit):
    """In a single batch all norms see what the norms before them make of the whole target."""
    model, source, data = fit(f"model.batch_size={IMAGES}")
    images = target_images(data)
    assert len(images) == IMAGES
    values = source.backbone.body[0]((images - 0.5) / 0.25)
    for place, norm in ((1, model.backbone.body[1]), (4, model.backbone.body[4])):
        mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3), correction=1)
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=1e-6)
        spread = values.var((0, 2, 3), correction=0)
        whole = (values - mean[:, None, None]) / (spread[:, None, None] + 1e-5).sqrt()
        values = source.backbone.body[3](whole.relu()) if place == 1 else whole.relu()
    feature = values.mean((2, 3))
    torch.testing.assert_close(model.neck.norm.running_mean, feature.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.neck.norm.running_var, feature.var(0), rtol=1e-3, atol=1e-6)


def test_the_first_norm_does_not_know_how_images_are_dealt_to_batches(fit):
    first, second = (fit(f"model.batch_size={size}")[0].backbone.body for size in (5, 32))
    torch.testing.assert_close(first[1].running_mean, second[1].running_mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(first[1].running_var, second[1].running_var, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(first[4].running_mean, second[4].running_mean, rtol=0.1, atol=0.05)


def test_weights_stay_and_statistics_alone_move(fit):
    model, source, _ = fit("trainer.max_epochs=3")
    assert model.trainer.current_epoch == 1
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, source.state_dict()[key])}
    assert {key.rpartition(".")[2] for key in moved} <= {"running_mean", "running_var", "num_batches_tracked"}
    assert len([key for key in moved if "running" in key]) == 6
    assert (
        model.stamp["norms"]
        == "AdaBN, statistics of 84 training images of synthetic_campus, whose persons are not read"
    )


def test_persons_change_nothing_and_bf16_gives_finite_statistics(fit):
    seeing, blind = (fit(blind=blind, precision="bf16-mixed")[0].state_dict() for blind in (False, True))
    assert all(torch.equal(value, blind[key]) for key, value in seeing.items())
    assert all(value.isfinite().all() for value in seeing.values())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.batch_size=1"], r"^batch_size=1: a variance needs 2"),
        (["dataset.val_persons=2"], "val_persons=2 holds persons"),
    ],
)
def test_what_cannot_be_is_refused(fit, overrides, message):
    with pytest.raises(ValueError, match=message):
        fit(*overrides)


GEM = "++model.pool={_target_: reid_lit.layers.pooling.GeneralizedMeanPool, p: 3.0, learned: true, floor: 1e-6}"


def test_an_adapted_network_is_a_start_with_its_own_pool_alone(compose, tmp_path):
    def made(*overrides, weights=None, seed=0):
        config = compose("model=adabn", "neck=bnneck", *overrides)
        config.model.backbone = None
        options = instantiate(config.model, _convert_="all")
        return options.func(**options.keywords | {"backbone": two_norms(seed), "weights": weights}, persons=5)

    state = made(GEM, seed=3).state_dict() | {"pool.p": torch.tensor([3.7])}
    torch.save({"state_dict": state, "stage": 2}, tmp_path / "adapted.ckpt")
    model = made(GEM, weights=str(tmp_path / "adapted.ckpt"))
    model.start()
    assert same_states(model.state_dict(), state)
    with pytest.raises(ValueError, match=r"the pool of that run has other weights than model\.pool.*give the pool"):
        made(weights=str(tmp_path / "adapted.ckpt")).start()


def test_a_network_without_batch_norm_is_refused(compose):
    config = compose("model=adabn", "neck=neck3")
    config.model.backbone = None
    made = instantiate(config.model, _convert_="all")
    plain = Backbone(nn.Conv2d(3, 4, 3), dim=4, mean=[0.5] * 3, std=[0.5] * 3)
    with pytest.raises(ValueError, match="no batch norm with statistics"):
        made.func(**made.keywords | {"backbone": plain}, persons=2)


@pytest.mark.slow
def test_a_run_is_adapted_resumed_loaded_and_tested_and_its_own_source_is_refused(command, trained, drawn, tmp_path):
    source, _ = trained
    base = (
        "+experiment=synthetic_softmax", "model=adabn", f"model.weights={source}", "dataset.size=tiny",
        "transform.size=[64,32]", "machine.workers=0", f"data_root={drawn}",
    )  # fmt: skip
    command(*base, "dataset.world=campus", "hydra.run.dir=run", cwd=tmp_path)
    results = json.loads((tmp_path / "run" / "metrics.json").read_text())["results"]
    assert results[0]["stamp"]["norms"].startswith("AdaBN, statistics of 84 training images of synthetic_campus")
    before, after = read_state(source), read_state(tmp_path / "run")
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert {key.rpartition(".")[2] for key in moved} <= {"running_mean", "running_var", "num_batches_tracked"}
    assert {key for key in after if "running" in key} <= moved
    command("run=run", f"data_root={drawn}", "hydra.run.dir=again", cwd=tmp_path, module="reid_lit.evaluate")
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())["results"]
    assert (again[0]["scores"], again[0]["stamp"]) == (results[0]["scores"], results[0]["stamp"])
    command("resume=run", f"data_root={drawn}", cwd=tmp_path)
    resumed = read_state(tmp_path / "run")
    assert all(torch.equal(value, resumed[key]) for key, value in after.items())
    images = sorted((drawn / "synthetic" / "campus-tiny-0" / "query").glob("*.jpg"))[:2]
    assert reid_lit.load(tmp_path / "run", device="cpu")(images).shape == (2, 512)
    listed = (tmp_path / "run" / "training_list.txt").read_text()
    assert {"campus-tiny-0" in listed, "plaza-tiny-0" in listed} == {True}
    assert "campus" not in (tmp_path / "run" / "labelled_list.txt").read_text()
    refused = command(*base, "hydra.run.dir=own", cwd=tmp_path, check=False)
    assert "are those of the source" in refused.stdout + refused.stderr


@pytest.mark.slow
def test_two_ranks_share_the_images_and_find_the_statistics_of_all(command, trained, drawn, tmp_path):
    source, _ = trained
    base = (
        "+experiment=synthetic_softmax", "model=adabn", f"model.weights={source}", "dataset.size=tiny",
        "dataset.world=campus", "transform.size=[64,32]", "machine.workers=0", f"data_root={drawn}", "model.batch_size=16",
        "machine.accelerator=cpu", "~callbacks.pictures", "loader.batch_size=16",
    )  # fmt: skip
    command(*base, "hydra.run.dir=one", cwd=tmp_path)
    command(*base, "machine=ddp", "machine.accelerator=cpu", "machine.devices=2", "hydra.run.dir=two", cwd=tmp_path)
    one, two = (read_state(tmp_path / name) for name in ("one", "two"))
    for name in ("running_mean", "running_var"):
        (first,) = (key for key in one if key.endswith(f"model.bn1.{name}"))
        torch.testing.assert_close(two[first], one[first], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(two["neck.embed.1.running_mean"], one["neck.embed.1.running_mean"], rtol=0.2, atol=0.2)
