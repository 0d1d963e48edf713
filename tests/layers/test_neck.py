import pytest
import torch

from reid_lit.layers.neck import BatchNormNeck, ClassBlock, DropoutNeck, PlainNeck, ReluBlock
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
    with pytest.raises(ValueError, match="1 training person: a classifier needs at least 2"):
        block(persons=1)


def test_pool_is_the_mean():
    maps = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(GlobalAveragePool()(maps), maps.flatten(2).mean(2))


def test_the_bnneck_has_no_shift_and_a_classifier_without_bias():
    torch.manual_seed(0)
    neck = BatchNormNeck(features=2048, persons=751, classifier=True, classifier_std=0.001)
    assert torch.equal(neck.norm.weight, torch.ones(2048))
    assert torch.equal(neck.norm.bias, torch.zeros(2048))
    assert not neck.norm.bias.requires_grad
    assert neck.norm.weight.requires_grad
    assert neck.classifier.bias is None
    assert neck.classifier.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert neck.dim == 2048


def test_the_bnneck_normalises_each_channel_over_the_batch():
    neck = BatchNormNeck(features=5, persons=3, classifier=True, classifier_std=0.001)
    feature = torch.randn(16, 5) * 3 + 2
    expected = (feature - feature.mean(0)) / (feature.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(neck(feature), expected)


def test_no_neck_is_the_feature_itself():
    neck, feature = PlainNeck(features=5, persons=3, classifier=True), torch.randn(4, 5)
    assert neck(feature) is feature
    assert neck.classify(feature).shape == (4, 3)
    assert neck.classifier.bias is not None


def test_a_neck_without_an_id_loss_has_no_classifier_to_train():
    for neck in (
        PlainNeck(features=5, persons=3, classifier=False),
        BatchNormNeck(features=5, persons=3, classifier=False, classifier_std=0.001),
    ):
        assert neck.classify(torch.randn(4, 5)) is None
        assert not [name for name, _ in neck.named_parameters() if "classifier" in name]


@pytest.mark.parametrize("neck", [PlainNeck, BatchNormNeck])
def test_one_person_is_refused_by_every_neck(neck):
    more = {"classifier_std": 0.001} if neck is BatchNormNeck else {}
    with pytest.raises(ValueError, match="1 training person:"):
        neck(features=5, persons=1, classifier=True, **more)


def test_dropout_is_before_the_classifier_alone():
    torch.manual_seed(0)
    neck = DropoutNeck(features=400, persons=50, dropout=0.5, classifier_std=0.001).train()
    feature = torch.ones(6, 400)
    assert torch.equal(neck(feature), feature)
    assert neck.classifier.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not neck.classifier.bias.any()
    assert not torch.equal(neck.classify(feature), neck.classifier(feature))
    torch.testing.assert_close(neck.eval().classify(feature), neck.classifier(feature))


def test_layers_and_initialisation_are_those_of_camstyle_s_baseline():
    torch.manual_seed(0)
    neck = ReluBlock(features=2048, persons=751, dim=1024, dropout=0.5, classifier_std=0.001)
    linear, norm, relu, dropout = neck.embed
    assert (linear.in_features, linear.out_features, dropout.p) == (2048, 1024, 0.5)
    assert linear.weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.01)
    assert (norm.num_features, isinstance(relu, torch.nn.ReLU)) == (1024, True)
    assert neck.classifier.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert sum(p.numel() for p in neck.parameters()) == 2048 * 1024 + 1024 + 2 * 1024 + 1024 * 751 + 751
    assert (neck.eval()(torch.randn(4, 2048)) >= 0).all()
