import pytest
import torch
from hydra.utils import instantiate

from reid_lit.records import Batch

SMALL = ("backbone=resnet18_scratch", "transform.size=[48,16]", "model.pool.stripes=3")


@pytest.fixture
def built(compose):
    def build(*overrides):
        torch.manual_seed(0)
        model = instantiate(compose(*overrides, *SMALL).model, _convert_="all")(persons=4)
        model.log = model.log_dict = lambda *_, **__: None
        return model

    return build


@pytest.fixture
def pcb(built, tmp_path):
    """The checkpoint of a PCB, and its weights."""
    model = built("+experiment=market_pcb")
    torch.nn.init.normal_(model.heads.necks[2].classifier.weight)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "pcb.ckpt")
    return tmp_path / "pcb.ckpt", model.state_dict()


def step(model):
    index = torch.arange(8)
    model.train().training_step(Batch(torch.rand(8, 3, 48, 16), index % 4, index % 2, index), 0).backward()
    model.on_before_optimizer_step(torch.optim.SGD(model.parameters()))


def learning(model):
    return {name.partition(".")[0] for name, value in model.named_parameters() if value.grad is not None}


def test_it_goes_on_from_pcb_and_everything_learns(built, pcb):
    file, weights = pcb
    model = built("+experiment=market_pcb_rpp", f"model.weights={file}")
    model.on_fit_start()
    found = model.state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights.items())
    assert set(found) - set(weights) == {"pool.classifier.weight", "pool.classifier.bias"}
    step(model)
    assert all(value.grad is not None for value in model.parameters())


def test_the_pooling_may_learn_alone_first(built, pcb):
    model = built("+experiment=market_pcb_rpp", f"model.weights={pcb[0]}", "model.alone_epochs=1")
    step(model)
    assert learning(model) == {"pool"}
    assert (model.pool.training, model.backbone.training, model.heads.training) == (True, False, False)


def test_a_run_of_other_stripes_and_none_are_refused(built, pcb, tmp_path):
    with pytest.raises(ValueError, match=r"^weights=null, but stage 2 starts from a run of stage 1; train PCB first"):
        built("+experiment=market_pcb_rpp").on_fit_start()
    fewer = built("+experiment=market_pcb_rpp", f"model.weights={pcb[0]}")
    fewer.heads.necks = fewer.heads.necks[:2]
    with pytest.raises(ValueError, match=r"has heads\.necks\.2\.classifier\.bias too: it has more stripes"):
        fewer.on_fit_start()


def test_the_recipe_goes_on_where_pcb_stops_after_20_epochs(compose):
    config = compose("+experiment=market_pcb_rpp")
    assert config.before.pcb.overrides == ["trainer.max_epochs=20"]
    assert (config.trainer.max_epochs, config.optimizer.lr, config.scheduler.build.step_size) == (30, 0.01, 20)
