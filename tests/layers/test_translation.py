import pytest
import torch
from torch import nn

from reid_lit.layers.translation import PatchDiscriminator, ResnetGenerator


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_sizes_are_those_of_the_public_code():
    """11.378 and 2.765 million parameters, as its log says of resnet_9blocks and of the basic discriminator."""
    generator, judge = ResnetGenerator(channels=64, blocks=9), PatchDiscriminator(channels=64, layers=3)
    assert (parameters(generator), parameters(judge)) == (11_378_179, 2_764_737)
    assert all(not isinstance(layer, nn.BatchNorm2d | nn.Dropout) for layer in generator.modules())
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.InstanceNorm2d)]
    assert len(norms) == 3 + 2 * 9 + 2
    assert not any(norm.affine or norm.track_running_stats for norm in norms)


def test_weights_start_at_a_fiftieth():
    torch.manual_seed(0)
    for network in (ResnetGenerator(channels=16, blocks=2), PatchDiscriminator(channels=16, layers=2)):
        weights = torch.cat([p.flatten() for name, p in network.named_parameters() if name.endswith("weight")])
        assert weights.std().item() == pytest.approx(0.02, rel=0.05)
        assert all(not p.any() for name, p in network.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(("height", "width"), [(16, 8), (32, 16), (12, 20)])
def test_an_image_keeps_its_size_and_its_range(height, width):
    image = torch.rand(2, 3, height, width) * 2 - 1
    made = ResnetGenerator(channels=4, blocks=1)(image)
    assert made.shape == image.shape
    assert made.abs().max() <= 1


def test_a_patch_of_70_pixels_is_looked_at():
    judge = PatchDiscriminator(channels=2, layers=3).double()
    judge.layers = nn.Sequential(*(layer for layer in judge.layers if not isinstance(layer, nn.InstanceNorm2d)))
    image = torch.randn(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    score = judge(image)
    assert score.shape == (1, 1, 14, 14)
    score[0, 0, 7, 7].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.max() - rows.min() + 1).item() == 70


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_least_side_has_a_score_and_norms_of_more_than_one_place(layers):
    judge = PatchDiscriminator(channels=2, layers=layers)
    side = judge.least_side()
    assert judge(torch.rand(1, 3, side, side)).numel() >= 1
