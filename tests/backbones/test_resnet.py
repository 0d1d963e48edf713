import math

import pytest
import torch
from torch import nn

from reid_lit.backbones.resnet import resnet


def resnet18(*, weights="none", init="fan_out"):
    return resnet(name="resnet18.tv_in1k", weights=weights, stem_relu=True, init=init, options={})


def convolutions(backbone):
    return {name: layer for name, layer in backbone.named_modules() if isinstance(layer, nn.Conv2d)}


@pytest.mark.parametrize("init", ["fan_out", "layer"])
def test_convolutions_start_as_asked(init):
    torch.manual_seed(0)
    for layer in convolutions(resnet18(init=init)).values():
        if layer.weight.numel() < 30_000:
            continue
        size = layer.kernel_size[0] ** 2
        he = math.sqrt(2 / (layer.out_channels * size))
        ours = math.sqrt(1 / (3 * layer.in_channels * size))  # uniform within ±1/√fan_in
        assert layer.weight.std().item() == pytest.approx(he if init == "fan_out" else ours, rel=0.02)


def test_weights_of_a_file_stay_as_they_are(tmp_path):
    given = resnet18()
    torch.save(given.body.model.state_dict(), tmp_path / "weights.pth")
    read = resnet18(weights=str(tmp_path / "weights.pth"), init="layer")
    for name, layer in convolutions(read).items():
        assert torch.equal(layer.weight, convolutions(given)[name].weight)


def test_an_unknown_init_is_refused():
    with pytest.raises(ValueError, match=r"^init='he': choose one of fan_out, layer"):
        resnet18(init="he")
