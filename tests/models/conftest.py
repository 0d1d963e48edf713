import pytest
import torch
from hydra.utils import instantiate


@pytest.fixture
def built(compose):
    """A model of a config, with the same random weights each time."""

    def build(*overrides, persons=5):
        torch.manual_seed(0)
        model = instantiate(compose(*overrides).model, _convert_="all")(persons=persons)
        model.log = model.log_dict = lambda *_, **__: None
        return model

    return build
