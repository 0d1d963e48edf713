import pytest
import torch

from reid_lit.layers.neck import ClassBlock
from reid_lit.layers.pooling import GlobalAveragePool


def block(**changes):
    return ClassBlock(
        **{"features": 2048, "persons": 751, "dim": 512, "dropout": 0.5, "classifier_std": 0.0001} | changes
    )


def test_layers_and_initialisation_are_those_of_the_softmax_baseline():
    torch.manual_seed(0)
    neck = block()
    linear, norm, dropout = neck.embed
    assert (linear.in_features, linear.out_features, dropout.p) == (2048, 512, 0.5)
    assert linear.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.01)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.005)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert norm.bias.requires_grad
    assert (neck.classifier.in_features, neck.classifier.out_features) == (512, 751)
    assert neck.classifier.weight.std().item() == pytest.approx(0.0001, rel=0.02)
    for bias in (linear.bias, norm.bias, neck.classifier.bias):
        assert torch.equal(bias, torch.zeros_like(bias))


def test_training_drops_half_and_testing_drops_nothing():
    neck = block(features=64)
    feature = torch.randn(32, 64)
    assert (neck.train()(feature) == 0).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert (neck.eval()(feature) == 0).sum() == 0


def test_one_person_is_refused():
    with pytest.raises(ValueError, match="1 training persons: a classifier needs at least 2"):
        block(persons=1)


def test_pool_is_the_mean():
    maps = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(GlobalAveragePool()(maps), maps.flatten(2).mean(2))
