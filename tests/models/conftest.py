import pytest
import torch
from hydra.utils import instantiate

from reid_lit.run.datasets import make_data


@pytest.fixture
def built(compose):
    """A model of a config, with the same random weights each time."""

    def build(*overrides, persons=5):
        torch.manual_seed(0)
        model = instantiate(compose(*overrides).model, _convert_="all")(persons=persons)
        model.log = model.log_dict = lambda *_, **__: None
        return model

    return build


@pytest.fixture
def fit(compose, drawn):
    """A training of one experiment on the tiny set: the model, its weights from before, and the trainer."""

    def run(experiment, *overrides, epochs=1, build=None):
        config = compose(
            f"+experiment={experiment}", "dataset=synthetic", "dataset.size=tiny", "dataset.world=campus",
            "machine.workers=0", "machine.accelerator=cpu", "machine.progress_bar=false",
            "+trainer.enable_checkpointing=false", f"data_root={drawn}", *overrides, f"trainer.max_epochs={epochs}",
        )  # fmt: skip
        config.trainer.callbacks, config.trainer.logger = None, False
        data = make_data(config)
        data.setup("fit")
        torch.manual_seed(0)
        model = (build or made)(config, data.persons)
        before = {name: value.detach().clone() for name, value in model.state_dict().items()}
        trainer = instantiate(config.trainer, _convert_="all")
        trainer.fit(model, datamodule=data)
        return model, before, trainer

    return run


def made(config, persons):
    return instantiate(config.model, _convert_="all")(persons=persons)
