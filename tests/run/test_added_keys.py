"""Keys that parts got later change no name of a training at the value of before, and older configs get them."""

import copy

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from reid_lit.paths import packaged
from reid_lit.run.added_keys import with_added, without_added
from reid_lit.run.composing import composed
from reid_lit.run.identity import training_hash

ADDED = OmegaConf.to_container(OmegaConf.load(packaged("conf") / "keys.yaml"))["added"]
FIX = "+experiment=plaza_to_campus_embae_fix"


@pytest.mark.parametrize("target", sorted(ADDED))
def test_each_is_a_key_of_its_part(target):
    part = get_object(target)
    keys = part.__init__.__annotations__ if isinstance(part, type) else part.__annotations__
    assert set(ADDED[target]) <= set(keys)


def test_a_training_of_before_keeps_its_name_and_one_of_another_value_has_its_own():
    config = composed((FIX,))
    before = copy.deepcopy(config)
    del before["model"]["frozen_norms"]
    assert training_hash(config, 0) == training_hash(before, 0)
    assert training_hash(composed((FIX, "model.frozen_norms=false")), 0) != training_hash(config, 0)


def test_the_key_of_another_part_is_no_added_one():
    arn = composed(("+experiment=plaza_to_campus_arn",))["model"]
    assert arn["frozen_norms"]
    assert without_added(arn)["frozen_norms"]


def test_an_older_config_gets_them_and_a_newer_one_keeps_its_own():
    model = composed((FIX, "model.frozen_norms=false"))["model"]
    assert with_added({"model": model}) == {"model": model}
    assert with_added([without_added(model | {"frozen_norms": True})])[0]["frozen_norms"] is True
