import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from reid_lit.backbones.base import Backbone
from reid_lit.testing.embedder import Embedder

SIZE = (64, 32)


def tiny():
    """A backbone of two convolutions."""
    layers = (nn.Conv2d(3, 8, 5, 4, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16))
    return Backbone(nn.Sequential(*layers), dim=16, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.fixture
def embedder(compose):
    """A small model with random weights and statistics of batch norms, so that colours and scale matter."""

    def make(*overrides, size=SIZE, real=False):
        torch.manual_seed(0)
        words = ("backbone=resnet18_scratch", f"transform.size=[{size[0]},{size[1]}]", *overrides)
        config = compose(*words)
        if not real:
            config.model.backbone = None
        build = instantiate(config.model, _convert_="all")
        model = build(persons=5) if real else build(persons=5, backbone=tiny())
        model.log = model.log_dict = lambda *_, **__: None
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = None
        with torch.no_grad():
            model.train()(torch.rand(16, 3, *size).contiguous(memory_format=torch.channels_last))
        transform = instantiate(config.transform, _convert_="all")
        return Embedder(model=model, transform=transform, batch_size=8, precision="32-true").of_whole_images()

    return make


@pytest.fixture
def crops():
    """Eight blurred images of several colours, uint8 RGB ``(8 3 64 32)``."""
    generator = np.random.default_rng(0)

    def made(height=SIZE[0], width=SIZE[1], count=8):
        coarse = torch.from_numpy(generator.integers(0, 256, (count, 3, 8, 4), dtype=np.uint8))
        large = torch.nn.functional.interpolate(coarse.float(), (height, width), mode="bicubic")
        return large.clamp(0, 255).byte().numpy()

    return made
