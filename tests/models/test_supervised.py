import dataclasses
import math

import pytest
import torch
from hydra.utils import instantiate
from tests.models.steps import epoch_rates, random_batch

from reid_lit.models.schedules import warm_cosine, warm_multistep


@pytest.fixture
def model(compose):
    torch.manual_seed(0)
    config = compose("backbone=resnet18", "backbone.weights=none", "neck.build.dropout=0.5")
    return instantiate(config.model, _convert_="all")(persons=5)


class Steps:
    estimated_stepping_batches = 100
    gradient_clip_val = None


def test_two_learning_rates_and_every_parameter_once(model):
    model._trainer = Steps()
    setup = model.configure_optimizers()
    head, backbone = setup["optimizer"].param_groups
    assert (head["lr"], backbone["lr"]) == (0.05, 0.05 * 0.1)
    assert {id(p) for p in backbone["params"]} == {id(p) for p in model.backbone.parameters()}
    assert len(head["params"]) + len(backbone["params"]) == len(list(model.parameters()))
    for group in (head, backbone):
        assert (group["weight_decay"], group["momentum"], group["nesterov"]) == (5e-4, 0.9, True)


def test_an_optimizer_on_a_cpu_goes_over_the_weights_once_a_step(compose):
    """The same weights as the rule in several passes, unless the recipe says or gradients are clipped."""
    found = []
    for words in ((), ("+optimizer.fused=false",)):
        torch.manual_seed(0)
        config = compose("+experiment=market_strong", "backbone=resnet18_scratch", "transform.size=[48,16]", *words)
        model = instantiate(config.model, _convert_="all")(persons=4).train()
        model.log = model.log_dict = lambda *_, **__: None
        model._trainer = Steps()
        optimizer = model.configure_optimizers()["optimizer"]
        assert [group["fused"] for group in optimizer.param_groups] == [not words] * 2
        for _ in range(2):
            optimizer.zero_grad()
            model.training_step(random_batch(), 0).backward()
            optimizer.step()
        found.append(model.state_dict())
    fused, plain = found
    for name, value in plain.items():
        torch.testing.assert_close(fused[name], value, rtol=1e-4, atol=1e-5)
    model = instantiate(compose("backbone=resnet18_scratch").model, _convert_="all")(persons=4)
    model._trainer = type("Clips", (Steps,), {"gradient_clip_val": 1.0})()
    assert not model.configure_optimizers()["optimizer"].param_groups[0]["fused"]


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


def test_ten_crops_make_the_mean_of_their_embeddings(model):
    model.eval()
    model.evaluation = dataclasses.replace(model.evaluation, crops=[64, 32], flip=True)
    image = torch.rand(2, 3, 72, 36)
    corners = [(0, 0), (0, 4), (8, 0), (8, 4), (4, 2)]
    crops = [image[:, :, top : top + 64, left : left + 32] for top, left in corners]
    with torch.no_grad():
        ten = [model.neck(model.pool(model.backbone(view))) for crop in crops for view in (crop, crop.flip(-1))]
        got = model.embed(image)
    torch.testing.assert_close(got, sum(ten) / 10, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="larger than the images of 60 × 36 pixels; set transform"):
        model.embed(image[:, :, :60])


@pytest.mark.parametrize("neck", ["bnneck2", "embae"])
def test_an_id_loss_behind_a_neck_without_a_classifier_is_refused(compose, neck):
    config = compose("backbone=resnet18", "backbone.weights=none", f"neck={neck}", "loss=id", "scheduler=constant")
    with pytest.raises(ValueError, match=r"^terms\.id\.reads=logits: this neck has no classifier"):
        instantiate(config.model, _convert_="all")(persons=5)


def test_a_source_next_to_a_target_is_refused(model, fake_data):
    with pytest.raises(ValueError, match=r"dataset=transfer gives a source and a target .* model=arn"):
        model.check_data(fake_data(two_domains=True), 1)


def test_logits_are_made_in_training_only(model):
    assert model.train()(torch.rand(2, 3, 64, 32)).logits.shape == (2, 5)
    assert model.eval()(torch.rand(2, 3, 64, 32)).logits is None


def test_weights_are_channels_last_before_anything_runs(model):
    model.setup("test")
    assert model.backbone.body.model.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_warm_cosine_rises_and_falls_as_written():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warm_cosine(optimizer, total_steps=20, warm=0.25)
    rates = epoch_rates(schedule, 20)
    rising = [2.0 * (step + 1) / 5 for step in range(5)]
    falling = [1 + math.cos(math.pi * step / 15) for step in range(15)]
    assert rates == pytest.approx(rising + falling)
    with pytest.raises(ValueError, match=r"warm=1.0: a share"):
        warm_cosine(optimizer, total_steps=20, warm=1.0)


def rates_of(epochs, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3.5e-4)
    return epoch_rates(warm_multistep(optimizer, **({"gamma": 0.1} | options)), epochs)


def test_the_strong_baselines_rate_at_every_epoch():
    rates = rates_of(120, warm_epochs=10, warm_start=None, milestones=[40, 70])
    for t, rate in enumerate(rates, 1):  # equation 1
        expected = 3.5e-4 * t / 10 if t <= 10 else 3.5e-4 if t <= 40 else 3.5e-5 if t <= 70 else 3.5e-6
        assert rate == pytest.approx(expected, rel=1e-9), t


def test_without_warm_up_and_with_another_start():
    assert rates_of(3, warm_epochs=0, warm_start=None, milestones=[2]) == pytest.approx([3.5e-4, 3.5e-4, 3.5e-5])
    rates = rates_of(56, warm_epochs=10, warm_start=0.01, milestones=[30, 55])
    assert rates[:11] == pytest.approx([3.5e-6 + (3.5e-4 - 3.5e-6) * t / 10 for t in range(11)])
    assert rates[29:31] == pytest.approx([3.5e-4, 3.5e-5])
    assert rates[55] == pytest.approx(3.5e-6)


def test_impossible_schedules_are_refused():
    for wrong in ({"milestones": [5]}, {"milestones": [70, 40]}):
        with pytest.raises(ValueError, match="must rise and be greater than warm_epochs=10"):
            rates_of(1, warm_epochs=10, warm_start=None, **wrong)
    for wrong in ({"warm_epochs": -1, "warm_start": None}, {"warm_epochs": 1, "warm_start": 1.5}):
        with pytest.raises(ValueError, match=r"warm_epochs=.* must be ≥ 0 and warm_start="):
            rates_of(1, milestones=[40], **wrong)
