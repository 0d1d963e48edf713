"""CycleGAN: its losses by their equations, its pool, its schedule, and a training that a kill does not change."""

import copy
import functools
import random

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from reid_lit.layers.translation import PatchDiscriminator, ResnetGenerator
from reid_lit.losses.adversarial import least_squares
from reid_lit.models.cyclegan import CycleGan
from reid_lit.models.image_pool import ImagePool
from reid_lit.models.schedules import held_linear


def make(**changes):
    torch.manual_seed(0)
    settings = {
        "generator": functools.partial(ResnetGenerator, channels=4, blocks=1),
        "discriminator": functools.partial(PatchDiscriminator, channels=4, layers=1),
        "cycle_weight": 10.0, "identity_weight": 0.5, "pool_size": 3, "lr": 2e-4, "beta1": 0.5,
        "held_epochs": 2, "falling_epochs": 1, "seed": 0,
    }  # fmt: skip
    return CycleGan(**settings | changes)


def images(count, seed):
    return torch.rand(count, 3, 16, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def mean_difference(one, other):
    """Pixel by pixel."""
    pairs = list(zip(one.flatten().tolist(), other.flatten().tolist(), strict=True))
    return sum(abs(x - y) for x, y in pairs) / len(pairs)


def test_least_squares_pull_scores_to_1_and_to_0():
    score = torch.tensor([[[[0.5, -1.0], [2.0, 1.0]]]])
    values = score.flatten().tolist()
    assert least_squares(score, real=True).item() == pytest.approx(sum((v - 1) ** 2 for v in values) / 4)
    assert least_squares(score, real=False).item() == pytest.approx(sum(v**2 for v in values) / 4)
    assert least_squares(score.bfloat16(), real=True).dtype == torch.float32


@torch.no_grad()
def test_the_generators_losses_are_those_of_the_equations():
    model, a, b = make(), images(2, 1), images(2, 2)
    fake_a, fake_b = model.to_a(b), model.to_b(a)
    got = model.generator_losses(a, b, fake_a, fake_b)
    cycle = mean_difference(model.to_a(model.to_b(a)), a) + mean_difference(model.to_b(model.to_a(b)), b)
    identity = mean_difference(model.to_a(a), a) + mean_difference(model.to_b(b), b)
    fooling = ((model.judge_b(model.to_b(a)) - 1) ** 2).mean() + ((model.judge_a(model.to_a(b)) - 1) ** 2).mean()
    assert {name: value.item() for name, value in got.items()} == pytest.approx(
        {"cycle": 10 * cycle, "identity": 10 * 0.5 * identity, "fooling": fooling.item()}, rel=1e-4
    )
    assert "identity" not in make(identity_weight=0.0).generator_losses(a, b, fake_a, fake_b)


@torch.no_grad()
def test_a_discriminator_has_half_of_each_loss():
    model, a, b = make(), images(1, 1), images(1, 2)
    fake_a, fake_b = images(1, 3), images(1, 4)
    got = model.judge_losses(a, b, fake_a, fake_b)
    expected = 0.5 * (((model.judge_a(a) - 1) ** 2).mean() + (model.judge_a(fake_a) ** 2).mean())
    assert got["judge_a"].item() == pytest.approx(expected.item(), rel=1e-5)
    expected = 0.5 * (((model.judge_b(b) - 1) ** 2).mean() + (model.judge_b(fake_b) ** 2).mean())
    assert got["judge_b"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_pool_gives_back_what_the_public_code_s_does():
    pool, source, kept = ImagePool(size=3, seed=7), random.Random(7), []
    for step in range(40):
        image = torch.full((1, 3, 1, 1), float(step))
        if len(kept) < 3:
            kept.append(step)
            expected = step
        elif source.random() > 0.5:
            place = source.randrange(3)
            expected, kept[place] = kept[place], step
        else:
            expected = step
        assert pool.exchanged(image).flatten()[0].item() == expected
    assert ImagePool(size=0, seed=0).exchanged(image) is not None
    assert ImagePool(size=0, seed=0).state_dict()["images"] is None


def test_a_pool_goes_on_from_its_state():
    pool, other = ImagePool(size=4, seed=1), ImagePool(size=4, seed=2)
    for step in range(9):
        pool.exchanged(images(2, step))
    other.load_state_dict(copy.deepcopy(pool.state_dict()), torch.device("cpu"))
    for step in range(9, 20):
        assert torch.equal(pool.exchanged(images(2, step)), other.exchanged(images(2, step)))


def test_the_rate_is_that_of_the_authors_30_and_20_epochs():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = held_linear(optimizer, held_epochs=30, falling_epochs=20)
    rates = []
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    expected = [1.0 - max(0, epoch + 1 - 30) / float(20 + 1) for epoch in range(50)]  # lambda_rule of the public code
    assert rates == pytest.approx(expected)
    assert rates[29] == 1.0
    assert rates[30] == pytest.approx(20 / 21)
    for lengths in ({"held_epochs": -1, "falling_epochs": 2}, {"held_epochs": 0, "falling_epochs": 0}):
        with pytest.raises(ValueError, match=r"^held_epochs="):
            held_linear(optimizer, **lengths)


def fit(model, folder, *, epochs, checkpoint=None, precision="32-true"):
    pairs = [(images(1, k)[0], images(1, k + 50)[0]) for k in range(5)]
    keep = ModelCheckpoint(dirpath=folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=epochs, callbacks=[keep], logger=False, enable_progress_bar=False,
        enable_model_summary=False, precision=precision,
    )  # fmt: skip
    loader = torch.utils.data.DataLoader(pairs, batch_size=1)
    trainer.fit(model, loader, ckpt_path=checkpoint)
    return trainer


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists")
def test_a_training_that_goes_on_from_its_checkpoint_is_the_one_that_was_not_interrupted(tmp_path):
    whole = make()
    whole.identity_before = 0.25
    before = [p.clone() for p in whole.parameters()]
    fit(whole, tmp_path / "a", epochs=3)
    assert all(not torch.equal(p, q) for p, q in zip(whole.to_a.parameters(), before, strict=False) if p.ndim > 1)
    first = make()
    first.identity_before = 0.25
    fit(first, tmp_path / "b", epochs=1)
    second = make(seed=5)
    trainer = fit(second, tmp_path / "b", epochs=3, checkpoint=tmp_path / "b" / "last.ckpt")
    assert second.identity_before == 0.25
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(2e-4 * (1 - 2 / 2))


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
def test_a_training_in_bfloat16_is_finite_and_every_part_learns(tmp_path):
    model = make()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, tmp_path, epochs=1, precision="bf16-mixed")
    for name, value in model.state_dict().items():
        assert value.isfinite().all()
        if name.endswith("weight"):
            assert not torch.equal(value, before[name]), name
