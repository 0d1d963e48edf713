"""A backbone that keeps its weights for the first epochs."""

import pytest
import torch
from hydra.utils import instantiate
from tests.models.steps import random_batch, same_states

from reid_lit.errors import InputError

SMALL = ("backbone=resnet18_scratch", "transform.size=[48,16]")


class Trainer:
    """What the hooks ask of a trainer."""

    def __init__(self, world_size):
        self.world_size, self.current_epoch = world_size, 0


@pytest.fixture
def built(compose):
    def build(*overrides, ranks=1):
        torch.manual_seed(0)
        model = instantiate(compose(*SMALL, *overrides).model, _convert_="all")(persons=4)
        model.log = model.log_dict = lambda *_, **__: None
        model._trainer = Trainer(ranks)
        return model

    return build


def trained(model, epochs):
    """The states of the backbone before and after each epoch of one step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    states = [state(model.backbone)]
    for epoch in range(epochs):
        model.trainer.current_epoch = epoch
        model.on_train_epoch_start()
        optimizer.zero_grad()
        model.training_step(random_batch(), 0).backward()
        model.on_before_optimizer_step(optimizer)
        optimizer.step()
        states.append(state(model.backbone))
    return states


def state(part):
    return {name: value.clone() for name, value in part.state_dict().items()}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("chunk", [None, 4])
def test_weights_and_statistics_stay_until_the_epochs_are_over(built, ranks, chunk):
    model = built("+experiment=market_strong", "model.recipe.frozen_epochs=2", ranks=ranks)
    model.chunk = chunk
    head = state(model.neck)
    start, first, second, third = trained(model, 3)
    assert same_states(start, first)
    assert same_states(start, second)
    assert not any(torch.equal(third[name], start[name]) for name in start if name.endswith("conv1.weight"))
    assert not torch.equal(third["body.model.bn1.running_mean"], start["body.model.bn1.running_mean"])
    assert not torch.equal(model.neck.state_dict()["classifier.weight"], head["classifier.weight"])
    assert all(value.requires_grad for value in model.backbone.parameters())


def test_a_backward_pass_of_one_process_leaves_the_frozen_backbone_out(built):
    model = built("+experiment=market_strong", "model.recipe.frozen_epochs=1")
    model.on_train_epoch_start()
    assert not any(value.requires_grad for value in model.backbone.parameters())
    assert not model.feature_learns
    model = built("+experiment=market_strong", "model.recipe.frozen_epochs=1", ranks=2)
    model.on_train_epoch_start()
    assert all(value.requires_grad for value in model.backbone.parameters())  # DDP waits for all of them


def test_outside_a_training_nothing_is_frozen(built):
    model = built("+experiment=market_strong", "model.recipe.frozen_epochs=1")
    model._trainer = None
    assert model.train().backbone.training
    assert model.feature_learns


def test_parts_that_are_frozen_anyway_stay_so(built):
    model = built("+experiment=market_strong", "model.recipe.frozen_epochs=1")
    stem = model.backbone.body.model.conv1.weight.requires_grad_(False)
    trained(model, 2)
    assert not stem.requires_grad


@pytest.mark.parametrize(
    ("words", "frozen", "epochs", "reason"),
    [
        (("+experiment=market_strong",), 12, 12, "frozen_epochs=12 of trainer.max_epochs=12: the backbone would learn"),
        (("+experiment=market_pcb_rpp",), 1, 12, "model.alone_epochs says which parts of this model learn; set 0"),
    ],
)
def test_what_would_learn_nothing_is_refused(built, fake_data, words, frozen, epochs, reason):
    model = built(*words, "model.recipe.frozen_epochs=" + str(frozen))
    with pytest.raises(InputError, match=reason):
        model.check_training(fake_data(), epochs)


def test_a_training_freezes_and_goes_on(command, drawn, tmp_path):
    words = (
        "+experiment=synthetic_strong", f"data_root={drawn}", *SMALL, "trainer.max_epochs=2", "machine.workers=0",
        "trainer.limit_train_batches=1", "dataset.size=tiny", "model.recipe.frozen_epochs=1", "~callbacks.pictures",
    )  # fmt: skip
    command(*words, f"hydra.run.dir={tmp_path}/run", cwd=tmp_path)
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=False)
    steps = {name: state["step"].item() for name, state in checkpoint["optimizer_states"][0]["state"].items()}
    assert set(steps.values()) == {1, 2}  # the backbone's weights made one step, the head's two
