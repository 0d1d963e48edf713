"""A model that learns from real images and from generated ones."""

import copy

import pytest
import torch
from hydra.utils import instantiate
from torch.nn import functional as F

from reid_lit.records import Batch, MixedBatch
from reid_lit.training.rehearsal import check_batch

SMALL = ("backbone=resnet18", "backbone.weights=none", "transform.size=[32,16]")


@pytest.fixture
def make(compose):
    def made(*words):
        torch.manual_seed(0)
        config = compose("+experiment=synthetic_strong", "neck=bnneck1", "loss=id_triplet", *SMALL, *words)
        model = instantiate(config.model, _convert_="all")(persons=5).train()
        model.logged = {}
        model.log = lambda name, value, **_: model.logged.update({name: float(value)})
        model.log_dict = lambda values: model.logged.update({name: float(value) for name, value in values.items()})
        return model

    return made


def batch(size, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(size, 3, 32, 16, generator=generator)
    person = torch.randint(5, (size,), generator=generator)
    return Batch(image, person, torch.zeros(size, dtype=torch.long), torch.arange(size))


def lsr(logits, person):
    """The public code's loss: 0.9 for the person plus 0.1 / N for everybody, image by image."""
    total = 0.0
    for row, label in zip(logits, person.tolist(), strict=True):
        logs = row - row.exp().sum().log()
        total -= sum((0.9 * (k == label) + 0.1 / len(row)) * logs[k] for k in range(len(row)))
    return total / len(logits)


def test_the_loss_is_that_of_the_real_images_plus_that_of_the_generated_ones_each_a_mean(make):
    model = make("model=camstyle", "loss.terms.id.loss.label_smoothing=0.0")
    real, fake = batch(6, 1), batch(3, 2)
    expected = [copy.deepcopy(model)(part.image).logits for part in (real, fake)]  # batch norms see them apart
    loss = model.training_step(MixedBatch(real, fake), 0)
    of_real, of_fake = F.cross_entropy(expected[0], real.person), lsr(expected[1], fake.person)
    assert model.logged["train/id"] == pytest.approx(float(of_real.detach()), rel=1e-4)
    assert model.logged["train/fake_id"] == pytest.approx(float(of_fake.detach()), rel=1e-4)
    torch.testing.assert_close(loss, of_real + of_fake, rtol=1e-4, atol=1e-4)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_a_triplet_is_of_real_images_alone(make):
    model = make("model=camstyle", "neck=bnneck")
    real, fake = batch(8, 1)._replace(person=torch.arange(8) % 4), batch(4, 2)
    losses = [
        model.training_step(MixedBatch(real, each), 0) and model.logged["train/triplet"]
        for each in (fake, fake._replace(image=fake.image.flip(0)))
    ]
    assert losses[0] == losses[1]
    assert "train/fake_triplet" not in model.logged


@pytest.mark.parametrize("precision", [torch.bfloat16])
def test_a_step_in_half_precision_is_finite(make, precision):
    model = make("model=camstyle")
    with torch.autocast("cpu", dtype=precision):
        assert model.training_step(MixedBatch(batch(6, 1), batch(3, 2)), 0).isfinite()


def test_it_needs_generated_images_and_others_have_no_use_for_them(make, fake_data):
    with pytest.raises(ValueError, match=r"^dataset.fakes=null: .*reid_lit.camstyle dataset=…"):
        make("model=camstyle").check_training(fake_data(has_fakes=False), 1)
    with pytest.raises(ValueError, match=r"^dataset.fakes: this model has no use .* set model=camstyle"):
        make().check_training(fake_data(has_fakes=True), 1)
    make("model=camstyle").check_training(fake_data(has_fakes=True), 1)
    make().check_training(fake_data(has_fakes=False), 1)


def test_it_fits_a_batch_of_drawn_images(make):
    model = make("model=camstyle", "optimizer.lr=1.0e-3")
    both = MixedBatch(batch(40, 1), batch(24, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(12):
        optimizer.zero_grad()
        model.training_step(both, step).backward()
        optimizer.step()
    right = [(model(part.image).logits.argmax(1) == part.person).float().mean() for part in both]
    assert min(right) >= 0.95


def test_a_batch_norm_of_the_neck_needs_two_generated_images(compose):
    config = compose("+experiment=synthetic_camstyle", "dataset.fakes_batch_size=1", *SMALL)
    model = instantiate(config.model, _convert_="all")(persons=5)
    with pytest.raises(ValueError, match=r"^dataset.fakes_batch_size=1: a batch of 1 image, .*; give 2 or more"):
        check_batch(config, model)
