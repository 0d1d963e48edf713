import math
from unittest.mock import MagicMock

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.health.collapse import Collapse
from reid_lit.health.features import FeatureWatch
from reid_lit.losses.batch_hard import active_share
from reid_lit.models.supervised import Supervised
from reid_lit.records import Batch, Output
from reid_lit.run.folder import Run
from reid_lit.training.once import train_once

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
SETTINGS = {"every": 2, "least_spread": 1e-3, "looks": 3}
TRAIN = [
    "+experiment=synthetic_strong", "dataset.size=tiny", "transform.size=[32,16]", "trainer.max_epochs=4", "machine.workers=0",
    "callbacks.features.every=1", "trainer.log_every_n_steps=1", "machine.progress_bar=false", "~callbacks.pictures",
]  # fmt: skip


def naive(embedding, person, margin):
    active = []
    for anchor in range(len(embedding)):
        distance = [float((embedding[anchor] - other).norm()) for other in embedding]
        positive = max((d for d, who in zip(distance, person, strict=True) if who == person[anchor]))
        negative = min((d for d, who in zip(distance, person, strict=True) if who != person[anchor]), default=math.inf)
        if negative < math.inf:
            active.append(positive - negative + (margin or 0) > 0)
    return sum(active) / len(active)


@pytest.mark.parametrize("margin", [0.3, 2.0, None])
def test_the_share_of_active_triplets_is_that_of_a_double_loop(margin):
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(16, 4, generator=generator)
    person = torch.arange(4).repeat_interleave(4)
    embedding += 2 * torch.randn(4, 4, generator=generator)[person]
    assert active_share(embedding, person, margin=margin, squared=False) == pytest.approx(
        naive(embedding, person.tolist(), margin)
    )


def test_a_living_network_is_left_alone_and_its_figures_are_logged(command, drawn, tmp_path):
    command(*TRAIN, f"data_root={drawn}", "hydra.run.dir=run", cwd=tmp_path)
    head = (tmp_path / "run" / "log" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/feature_norm", "train/feature_spread", "train/feature_rank", "train/triplet_active"} <= set(head)


def test_a_network_that_has_died_is_stopped_within_an_epoch(compose, drawn, monkeypatch, tmp_path):
    config = compose(*TRAIN, "machine=cpu", f"data_root={drawn}", "optimizer.weight_decay=0")
    load = Supervised.configure_optimizers

    def dead(model):
        for weight in model.backbone.parameters():
            torch.nn.init.zeros_(weight)
        return load(model)

    monkeypatch.setattr(Supervised, "configure_optimizers", dead)
    with pytest.raises(Collapse, match=r"epoch [1-4]\).*Most often the learning rate .* lower optimizer\.lr, warm up"):
        train_once(config, Run(tmp_path))


@pytest.fixture
def looked(monkeypatch):
    """Looks at one batch of features after another; gives what was logged."""

    def run(features, **settings):
        watch, logged = FeatureWatch(**SETTINGS | settings), []
        model = MagicMock(spec=pl.LightningModule)
        model.log = lambda name, value, **_: logged.append((name, value))
        model.named_modules.return_value = []
        trainer = MagicMock(spec=pl.Trainer, global_step=0, current_epoch=0)
        trainer.optimizers = [MagicMock(param_groups=[{"lr": 0.5}])]
        trainer.strategy = MagicMock(reduce_boolean_decision=bool)
        for feature in features:
            trainer.global_step += watch.every
            watch._output = Output(feature, feature, None)
            batch = Batch(torch.zeros(1), torch.arange(len(feature)) // 2, torch.zeros(1), torch.zeros(1))
            watch.on_train_batch_end(trainer, model, None, batch, 0)
        return logged

    return run


def test_features_that_are_alike_stop_at_the_third_look(looked):
    alive, alike = torch.randn(8, 4), torch.ones(8, 4)
    looked([alive, alike, alike, alive, alike, alike])
    with pytest.raises(
        Collapse,
        match=r"are the same \(spread 0\), since step 4 or before \(epoch 1\): .* rate is too high for this network, 0\.5",
    ):
        looked([alive, alike, alike, alike])
    with pytest.raises(Collapse, match=r"all features have length 0: every unit of the last layer is dead"):
        looked([torch.zeros(8, 4)] * 3)
    looked([F.normalize(alive)] * 9)


@pytest.mark.parametrize("name", ["every", "looks"])
def test_numbers_are_checked(name):
    with pytest.raises(InputError, match=rf"^{name}=0: give a number of 1 or more"):
        FeatureWatch(**SETTINGS | {name: 0})
