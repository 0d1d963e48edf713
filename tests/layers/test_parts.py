import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reid_lit.layers.neck import BatchNormNeck, DropoutNeck
from reid_lit.layers.parts import PartHeads, Reduction, RefinedPartPool, StripePool

BNNECK = functools.partial(BatchNormNeck, classifier=True, classifier_std=0.001)
PLAIN = functools.partial(DropoutNeck, dropout=0.0, classifier_std=0.001)
BARE = {"norm": False, "norm_std": 0.0, "relu": False, "init": "fan_out"}
WHOLE = {"norm": True, "norm_std": 0.0, "relu": True, "init": "fan_out"}


def heads(**changes):
    settings = {
        "features": 7, "persons": 5, "parts": 3, "reduction": functools.partial(Reduction, dim=4, **BARE), "shared": False,
        "neck": BNNECK, "dropout": 0.0, "wide": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    return PartHeads(**settings | changes)


@pytest.mark.parametrize("rows", [6, 5])
def test_a_stripe_is_the_mean_of_its_rows(rows):
    maps = torch.rand(2, 4, rows, 3)
    found = StripePool(stripes=3)(maps)
    assert found.shape == (2, 3, 4)
    for stripe in range(3):
        first, end = (
            stripe * rows // 3,
            -(-(stripe + 1) * rows // 3),
        )  # bins overlap where the rows do not divide evenly
        torch.testing.assert_close(found[:, stripe], maps[:, :, first:end].mean((2, 3)))


def test_each_part_has_its_own_reduction_neck_and_classifier():
    network = heads().train()
    pooled = torch.randn(6, 3, 7)
    output = network(pooled, classify=True)
    for part in range(3):
        reduced = pooled[:, part] @ network.reductions[part].linear.weight.T
        mean, variance = reduced.mean(0), reduced.var(0, unbiased=False)
        embedded = (reduced - mean) / (variance + 1e-5).sqrt() * network.necks[part].norm.weight
        torch.testing.assert_close(output.feature[:, 4 * part : 4 * part + 4], reduced)
        torch.testing.assert_close(output.embedding[:, 4 * part : 4 * part + 4], embedded, rtol=1e-4, atol=1e-5)
        logits = embedded @ network.necks[part].classifier.weight.T
        torch.testing.assert_close(output.parts["part_logits"][:, part], logits, rtol=1e-4, atol=1e-5)
    assert torch.equal(output.parts["pooled"], pooled)
    assert output.logits is None
    assert (network.dim, network.feature_dim) == (12, 12)
    assert "part_logits" not in network(pooled, classify=False).parts


def test_one_reduction_for_all_parts_is_a_convolution_on_the_column_of_stripes():
    network = heads(reduction=functools.partial(Reduction, dim=4, **WHOLE), shared=True, neck=PLAIN).train()
    pooled = torch.randn(6, 3, 7)
    (reduction,) = network.reductions
    column = F.conv2d(pooled.transpose(1, 2).unsqueeze(-1), reduction.linear.weight[:, :, None, None])
    expected = nn.BatchNorm2d(4)(column).relu().squeeze(-1).transpose(1, 2)
    torch.testing.assert_close(network(pooled, classify=True).parts["part_feature"], expected, rtol=1e-4, atol=1e-5)


def test_wide_parts_are_classified_before_the_reduction_and_every_trained_weight_learns():
    network = heads(wide=2, reduction=functools.partial(Reduction, dim=4, **WHOLE)).train()
    pooled = torch.randn(6, 3, 7)
    output = network(pooled, classify=True)
    for part in range(2):
        wide = network.wide[part]
        normed = F.batch_norm(pooled[:, part], None, None, wide.norm.weight, wide.norm.bias, training=True)
        torch.testing.assert_close(output.parts["part_logits"][:, part], normed @ wide.classifier.weight.T)
    assert output.parts["part_logits"].shape == (6, 3, 5)
    (output.parts["part_logits"].square().sum() + output.feature.square().sum()).backward()
    trained = {name: value.grad for name, value in network.named_parameters() if value.requires_grad}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in trained.values())


def test_without_a_reduction_the_necks_see_the_pooled_parts_after_dropout():
    network = heads(reduction=None, neck=PLAIN, dropout=0.5)
    pooled = torch.ones(50, 3, 7)
    torch.testing.assert_close(network.eval()(pooled, classify=False).feature, pooled.flatten(1))
    dropped = network.train()(pooled, classify=True)
    assert set(dropped.feature.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped.parts["pooled"], pooled)  # what is tested is before dropout


def test_initial_weights_are_the_recipe_s():
    torch.manual_seed(0)
    given = {"features": 512, "dim": 256}
    fan_in, fan_out = (Reduction(**given, **WHOLE | {"init": init, "norm_std": 0.02}) for init in ("fan_in", "fan_out"))
    assert float(fan_in.linear.weight.detach().std()) == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert float(fan_out.linear.weight.detach().std()) == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    assert float(fan_in.norm.weight.detach().std()) == pytest.approx(0.02, rel=0.2)
    assert float(fan_in.norm.weight.detach().mean()) == pytest.approx(1.0, abs=0.01)


def test_a_neck_without_a_classifier_gives_no_logits():
    network = heads(neck=functools.partial(BatchNormNeck, classifier=False, classifier_std=0.001))
    assert "part_logits" not in network.outputs
    assert "part_logits" not in network(torch.randn(4, 3, 7), classify=True).parts


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"^wide=4: there are 3 parts"):
        heads(wide=4)
    with pytest.raises(ValueError, match=r"^init='fan': choose one of fan_in, fan_out"):
        Reduction(features=2, dim=2, **BARE | {"init": "fan"})


def test_a_refined_part_is_the_mean_of_the_map_by_the_probabilities_of_its_positions():
    torch.manual_seed(0)
    pool = RefinedPartPool(features=8, stripes=3, dim=4, dropout=0.5).eval()
    maps = torch.rand(2, 8, 5, 2)
    found = pool(maps)
    for image in range(2):
        grouped = torch.stack([maps[image, 2 * group : 2 * group + 2].mean(0) for group in range(4)])
        centred = grouped - grouped.mean((1, 2), keepdim=True)
        expected = torch.zeros(3, 8)
        for row in range(5):
            for column in range(2):
                scores = pool.classifier.weight @ centred[:, row, column] + pool.classifier.bias
                shares = scores.exp() / scores.exp().sum()
                expected += 3 * shares[:, None] * maps[image, :, row, column] / 10
        torch.testing.assert_close(found[image], expected)
    torch.testing.assert_close(pool.shares(maps).sum(1), torch.ones(2, 5, 2))
    assert not torch.equal(pool.train().shares(maps), pool.shares(maps))  # dropout


def test_refined_parts_take_maps_of_any_number_of_channels():
    assert RefinedPartPool(features=7, stripes=3, dim=256, dropout=0.0)(torch.rand(2, 7, 5, 2)).shape == (2, 3, 7)
