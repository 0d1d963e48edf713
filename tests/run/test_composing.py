"""Configs composed in copies of one another are those that Hydra composes, key by key and in the same order."""

import hydra
import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from reid_lit.run import composing
from reid_lit.run.composing import composed
from reid_lit.tables.spec import cells, read_table


def by_hydra(overrides):
    with composing.composing():
        config = hydra.compose("evaluate", overrides=list(overrides))
    return OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("+experiment=market_strong", "neck=neck3", "loss=id_triplet", "backbone.last_stride=2"),
        ("seed=3", "+experiment=duke_hrnet", "seed=4", 'transform.size=[64,"32"]', "name='a, b'"),
        ("dataset=ward", "test_on=[{dataset: viper, root: /data}]", "loss={}", "labels.job=null", "machine.cache=ram"),
        ("trainer.max_epochs=2", "+trainer.limit_train_batches=3", "trainer.max_epochs=3", "~callbacks.pictures"),
        ("++dataset.extra=1", "dataset.extra=2", "hydra.verbose=true", "logger=wandb", "name=${labels.job}"),
        ("optimizer.lr=1e-3", "optimizer.weight_decay=0", "evaluation.distance=euclidean"),
    ],
)
def test_the_config_is_hydras(overrides):
    assert repr(composed(overrides)) == repr(by_hydra(overrides))


@pytest.mark.parametrize("override", ["optimizer.lrr=1", "seed=1,2", "seed=(", "loss=id_trplet", "backbone.name.x=1"])
def test_what_is_refused_is_refused_in_hydras_words(override):
    overrides = ("+experiment=market_strong", override)
    with pytest.raises(HydraException) as of_hydra:
        by_hydra(overrides)
    with pytest.raises(type(of_hydra.value)) as ours:
        composed(overrides)
    assert str(ours.value) == str(of_hydra.value)


def test_a_plan_is_composed_once_for_each_choice_of_options(monkeypatch):
    rows = [cell.train for cell in cells(read_table("strong/table1"))]
    calls = []
    compose = hydra.compose
    monkeypatch.setattr(hydra, "compose", lambda *args, **kwargs: calls.append(kwargs) or compose(*args, **kwargs))
    for cached in (composing.composed, composing._evaluation):
        cached.cache_clear()
    for row in rows:
        composed(row)
    choices = {tuple(word for word in row if "." not in word.partition("=")[0]) for row in rows}
    assert len(calls) == len(choices) < len(rows)
