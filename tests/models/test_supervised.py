import math

import pytest
import torch
from hydra.utils import instantiate

from reid_lit.models.schedules import warm_cosine


@pytest.fixture
def model(compose):
    torch.manual_seed(0)
    config = compose("backbone=resnet18", "backbone.weights=none", "model.neck.dropout=0.5")
    return instantiate(config.model, _convert_="all")(persons=5)


class Steps:
    estimated_stepping_batches = 100


def test_two_learning_rates_and_every_parameter_once(model):
    model._trainer = Steps()
    setup = model.configure_optimizers()
    head, backbone = setup["optimizer"].param_groups
    assert (head["lr"], backbone["lr"]) == (0.05, 0.05 * 0.1)
    assert {id(p) for p in backbone["params"]} == {id(p) for p in model.backbone.parameters()}
    assert len(head["params"]) + len(backbone["params"]) == len(list(model.parameters()))
    for group in (head, backbone):
        assert (group["weight_decay"], group["momentum"], group["nesterov"]) == (5e-4, 0.9, True)


def test_the_rate_falls_to_a_tenth_after_epoch_40(model):
    model._trainer = Steps()
    setup = model.configure_optimizers()
    optimizer, schedule = setup["optimizer"], setup["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(60):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:40] == [0.05] * 40
    assert rates[40:] == pytest.approx([0.005] * 20)


def test_the_flip_makes_an_embedding_that_a_mirror_does_not_change(model):
    model.eval()
    image = torch.rand(2, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.embed(image), model.embed(image.flip(-1)))
        plain = model.neck(model.pool(model.backbone(image)))
        mirrored = model.neck(model.pool(model.backbone(image.flip(-1))))
    torch.testing.assert_close(model.embed(image), (plain + mirrored) / 2, rtol=1e-3, atol=1e-4)
    assert model.embed(image).shape == (2, 512)


def test_logits_are_made_in_training_only(model):
    assert model.train()(torch.rand(2, 3, 64, 32)).logits.shape == (2, 5)
    assert model.eval()(torch.rand(2, 3, 64, 32)).logits is None


def test_weights_are_channels_last_before_training(model):
    model.setup("fit")
    assert model.backbone.body.model.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_warm_cosine_rises_and_falls_as_written():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warm_cosine(optimizer, total_steps=20, warm=0.25)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    rising = [2.0 * (step + 1) / 5 for step in range(5)]
    falling = [1 + math.cos(math.pi * step / 15) for step in range(15)]
    assert rates == pytest.approx(rising + falling)
    with pytest.raises(ValueError, match=r"warm=1.0: a share"):
        warm_cosine(optimizer, total_steps=20, warm=1.0)
