import functools

import pytest
import torch
from hydra.utils import instantiate

from reid_lit.backbones.base import normalised
from reid_lit.backbones.branches import branch_of, rest_of, trunk_of


def run(layers, maps):
    return functools.reduce(lambda value, layer: layer(value), layers, maps)


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18_scratch", "resnet50", "seresnet50", "ibn_net50_a", "ibn_net50_b"])
def test_the_trunk_and_the_rest_are_the_whole_network(compose, name):
    config = compose(f"backbone={name}", "backbone.weights=none")
    backbone = instantiate(config.backbone, _convert_="all").eval()
    image = torch.rand(1, 3, 64, 32)
    trunk = run(trunk_of(backbone), normalised(image, backbone.mean, backbone.std))
    torch.testing.assert_close(rest_of(backbone)(trunk), backbone(image))
    branch = branch_of(backbone).eval()
    assert branch(trunk).shape[2:] == trunk.shape[2:] == (4, 2)
    weights = rest_of(backbone).state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in branch.state_dict().items())
    shared = {id(value) for value in backbone.parameters()}
    assert not [value for value in branch.parameters() if id(value) in shared]
    assert backbone(image).shape[2:] == (2, 1)  # the first branch keeps its stride


def test_a_branch_of_a_network_whose_last_stride_is_one_already(compose):
    config = compose("backbone=resnet18_scratch", "backbone.last_stride=1")
    backbone = instantiate(config.backbone, _convert_="all").eval()
    assert branch_of(backbone)(torch.rand(1, 256, 4, 2)).shape == (1, 512, 4, 2)


@pytest.mark.parametrize("name", ["osnet_x1_0", "efficientnet_lite0", "densenet121"])
def test_a_network_that_cannot_be_split_is_refused(compose, name):
    backbone = instantiate(compose(f"backbone={name}", "backbone.weights=none").backbone, _convert_="all")
    words = (
        r"^model=mgn has three branches behind the first block of layer3, and \w+ has no such block; choose a ResNet"
    )
    with pytest.raises(ValueError, match=words):
        branch_of(backbone)
