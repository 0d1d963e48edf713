import pytest
import torch
from tests.models.steps import check_gradients, random_batch
from torch.nn import functional as F

from reid_lit.losses.batch_hard import batch_hard_triplet_loss

SMALL = ("backbone=resnet18_scratch", "transform.size=[48,16]")
BASELINE = ("+experiment=market_strong_mgn", *SMALL)
PAPER = ("+experiment=market_mgn", *SMALL)


@pytest.mark.parametrize(
    "options",
    [
        BASELINE,
        (*BASELINE, "model.pool.kind=average", "neck=bnneck3"),
        (*BASELINE, "loss=parts_id_triplet", "backbone.last_stride=1"),
        (*BASELINE, "model.heads.wide=3", "model.heads.shared=true"),
        PAPER,
        (*PAPER, "model.heads.wide=0", "model.pool.kind=average"),
    ],
    ids=lambda options: " ".join(options[0:1] + options[3:]),
)
def test_one_step_of_every_option_reaches_every_branch_and_weight(built, options):
    model = built(*options)
    loss = model.train().training_step(random_batch(), 0)
    assert loss.isfinite()
    loss.backward()
    check_gradients(model)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["max", "average"])
def test_its_eight_parts_are_wholes_halves_and_thirds_of_three_branches(built, kind):
    model = built(*BASELINE, f"model.pool.kind={kind}", "transform.size=[96,32]").eval()
    image = random_batch(size=(96, 32)).image
    network = model.backbone.body.model
    trunk = (image - model.backbone.mean) / model.backbone.std
    for layer in (network.conv1, network.bn1, network.act1, network.maxpool, network.layer1, network.layer2):
        trunk = layer(trunk)
    trunk = network.layer3[0](trunk)
    first, second, third = (
        network.layer4(network.layer3[1](trunk)),
        *(branch.layer4(branch.layer3[0](trunk)) for branch in model.branches),
    )
    assert (first.shape[2:], second.shape[2:], third.shape[2:]) == ((3, 1), (6, 2), (6, 2))
    regions = [
        first,
        second,
        third,
        second[:, :, :3],
        second[:, :, 3:],
        third[:, :, :2],
        third[:, :, 2:4],
        third[:, :, 4:],
    ]
    pooled = [region.amax((2, 3)) if kind == "max" else region.mean((2, 3)) for region in regions]
    output = model(image)
    torch.testing.assert_close(output.parts["pooled"], torch.stack(pooled, dim=1), rtol=1e-4, atol=1e-5)
    reduced = [part @ head.linear.weight.T for part, head in zip(pooled, model.heads.reductions, strict=True)]
    torch.testing.assert_close(output.feature, torch.cat(reduced, dim=1), rtol=1e-4, atol=1e-4)
    assert output.embedding.shape == (8, 8 * 256)


@torch.no_grad()
def test_the_loss_of_the_paper_is_that_of_its_equation(built):
    model = built(*PAPER).train()
    output, person = model(random_batch().image), random_batch().person
    losses = model.criterion(output, person)
    features, pooled = output.parts["part_feature"], output.parts["pooled"]
    logits = [model.heads.wide[part].classifier(pooled[:, part]) for part in range(3)]  # before their reduction
    logits += [model.heads.necks[part].classifier(features[:, part]) for part in range(3, 8)]
    torch.testing.assert_close(losses["id"], sum(F.cross_entropy(each, person) for each in logits) / 8)
    triplets = [batch_hard_triplet_loss(features[:, part], person, margin=1.2) for part in range(3)]
    torch.testing.assert_close(losses["triplet"], sum(triplets) / 3)


@torch.no_grad()
def test_the_loss_of_fastreid_s_heads_is_an_eighth_and_a_fifth_of_each(built):
    model = built(*BASELINE).train()
    output, person = model(random_batch().image), random_batch().person
    losses = model.criterion(output, person)
    features, logits = output.parts["part_feature"], output.parts["part_logits"]
    id_loss = sum(0.125 * F.cross_entropy(logits[:, part], person, label_smoothing=0.1) for part in range(8))
    compared = [*(features[:, part] for part in range(3)), features[:, 3:5].flatten(1), features[:, 5:].flatten(1)]
    triplet = sum(0.2 * batch_hard_triplet_loss(each, person, margin=0.3) for each in compared)
    torch.testing.assert_close(losses["id"], id_loss)
    torch.testing.assert_close(losses["triplet"], triplet)


def test_parameters_are_as_many_as_the_recipe_has(built):
    model = built("+experiment=market_mgn", "backbone.weights=none", persons=751)
    trunk, rest = 2_957_376, 20_550_656  # of ResNet-50's 23,508,032 before its classifier
    assert sum(value.numel() for value in model.backbone.parameters()) == trunk + rest
    assert sum(value.numel() for value in model.branches.parameters()) == 2 * rest
    reductions = sum(value.numel() for value in model.heads.reductions.parameters())
    assert reductions == 8 * (2048 * 256 + 2 * 256)
    trained = sum(value.numel() for value in model.heads.parameters() if value.requires_grad)
    assert trained - reductions == 3 * (2048 + 1) * 751 + 5 * (256 + 1) * 751
    classifier = model.heads.necks[7].classifier.weight.detach()
    assert float(classifier.std()) == pytest.approx((2 / 751) ** 0.5, rel=0.02)


def test_branches_start_from_the_backbone_s_weights_and_learn_by_its_rate(built):
    model = built(*PAPER, "model.backbone_lr_scale=0.1")
    first = model.backbone.body.model.layer4.state_dict()
    assert all(torch.equal(branch.layer4.state_dict()[key], first[key]) for branch in model.branches for key in first)
    groups = model._groups()
    copied = {id(value) for value in model.branches.parameters()}
    assert copied < {id(value) for value in groups["backbone"][1]}
    assert not copied & {id(value) for value in groups["head"][1]}
    assert groups["backbone"][0] == 0.1


def test_the_recipe_of_the_paper(compose):
    config = compose("+experiment=market_mgn")
    assert (config.optimizer.lr, config.optimizer.weight_decay, config.optimizer.momentum) == (0.01, 5e-4, 0.9)
    assert (list(config.scheduler.build.milestones), config.trainer.max_epochs) == ([40, 60], 80)
    assert (config.evaluation.flip, config.evaluation.feature, list(config.transform.size)) == (
        True,
        "feature",
        [384, 128],
    )


def test_small_maps_are_refused_and_uneven_ones_said(built, fake_data, caplog):
    with pytest.raises(
        ValueError, match=r"^transform\.size=\[32,16\]: the map has 2 rows, .* 3 stripes; give \[48,16\]"
    ):
        built(*BASELINE, "transform.size=[32,16]").check_data(fake_data(), 1)
    model = built(*BASELINE, "transform.size=[64,32]")
    model.check_data(fake_data(), 1)
    model.say_uneven()
    assert caplog.messages[0].startswith("4 rows of the map do not divide evenly into 2 and 3 stripes")
    assert caplog.messages[0].endswith("a height of 96 would")


def test_it_fits_a_batch_of_64_images(built):
    model = built(*BASELINE, persons=16)
    batch = random_batch(64, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for number in range(8):
        loss = model.train().training_step(batch, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = model(batch.image).parts["part_logits"]
    assert (logits.mean(1).argmax(1) == batch.person).float().mean() >= 0.95
