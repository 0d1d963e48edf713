import dataclasses

import pytest
import torch
from tests.models.steps import check_gradients, random_batch
from torch.nn import functional as F

from reid_lit.evaluation.local_blocks import stripes_of
from reid_lit.layers.local_branch import LocalBranch
from reid_lit.losses.aligned import LocalTripletLoss, stripe_distance

SMALL = ("backbone=resnet18_scratch", "last_stride=one", "transform.size=[48,16]")
BASELINE = ("+experiment=market_strong_aligned", *SMALL)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("loss.terms.local.loss.matching=unaligned",),
        ("model.local_branch.stripes=2",),
        ("neck=neck3",),
        ("neck=bnneck2",),
    ],
    ids=" ".join,
)
def test_one_step_of_every_option_reaches_both_branches(built, options):
    model = built(*BASELINE, *options)
    model.train().training_step(random_batch(), 0).backward()
    check_gradients(model)
    assert model.local_branch.convolution.weight.grad.abs().sum() > 0


def test_the_branch_is_the_public_codes(built):
    torch.manual_seed(0)
    branch, maps = LocalBranch(features=6, dim=4, stripes=None).eval(), torch.randn(2, 6, 4, 3)
    found, pooled = branch(maps), branch.pooled(maps)
    assert (found.shape, pooled.shape) == ((2, 4, 4), (2, 4, 6))
    for row in range(4):
        widest = torch.stack([F.relu(branch.norm(maps))[:, :, row, column] for column in range(3)]).amax(0)
        reduced = widest @ branch.convolution.weight[:, :, 0].T + branch.convolution.bias
        torch.testing.assert_close(found[:, row], reduced / reduced.norm(dim=1, keepdim=True))
        torch.testing.assert_close(pooled[:, row], F.normalize(maps[:, :, row].amax(2)))
    two = LocalBranch(features=6, dim=4, stripes=2).pooled(maps)
    torch.testing.assert_close(two[:, 1], F.normalize(maps[:, :, 2:].amax((2, 3))))
    model = built("+experiment=market_strong_aligned", "backbone=resnet50", "backbone.weights=none")
    sizes = {name: value.numel() for name, value in model.local_branch.named_parameters()}
    assert sum(sizes.values()) == 2 * 2048 + 2048 * 128 + 128
    with torch.no_grad():
        assert model.eval()(torch.rand(1, 3, 256, 128)).parts["local"].shape == (1, 16, 128)


def test_pairs_of_the_local_loss_are_found_by_the_whole_images():
    torch.manual_seed(0)
    feature, person = torch.randn(8, 5), torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    stripes = F.normalize(torch.randn(8, 3, 4), dim=2).requires_grad_()
    total = 0.0
    for anchor in range(8):
        distance = (feature[anchor] - feature).norm(dim=1)
        positive = max((j for j in range(8) if person[j] == person[anchor]), key=lambda j: distance[j])
        negative = min((j for j in range(8) if person[j] != person[anchor]), key=lambda j: distance[j])
        pairs = [stripe_distance(stripes[anchor, None], stripes[j, None], "dmli") for j in (positive, negative)]
        total += max(0.0, float((pairs[0] - pairs[1]).detach() + 0.3))
    loss = LocalTripletLoss(margin=0.3, matching="dmli")(feature, stripes, person)
    assert loss.item() == pytest.approx(total / 8, abs=1e-5)
    loss.backward()
    assert stripes.grad.isfinite().all()
    alone = LocalTripletLoss(margin=0.3, matching="dmli")(feature, stripes.detach(), torch.zeros_like(person))
    assert alone == 0  # nobody has a negative


@pytest.mark.parametrize(("margin", "matching", "words"), [(-1.0, "dmli", "margin=-1"), (0.3, "dtw", "matching='dtw'")])
def test_a_local_loss_that_is_none_is_refused(margin, matching, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        LocalTripletLoss(margin=margin, matching=matching)


@pytest.mark.parametrize(("feature", "channels"), [("local", 128), ("local_pooled", 512)])
def test_an_embedding_has_its_stripes_behind_it(built, feature, channels):
    model = built(*BASELINE, f"evaluation.local.feature={feature}").eval()
    image = random_batch().image
    with torch.no_grad():
        found, output = model.embed(image), model(image)
    local = model.evaluation.local
    assert (local.whole, local.channels, found.shape[1]) == (512, channels, 512 + 3 * channels)
    torch.testing.assert_close(found[:, :512], output.embedding)
    torch.testing.assert_close(stripes_of(found, local), output.parts[feature])
    model.evaluation = dataclasses.replace(model.evaluation, local=None)
    with torch.no_grad():
        torch.testing.assert_close(model.embed(image), output.embedding)


def test_a_model_without_stripes_cannot_compare_them(built, fake_data):
    model = built("+experiment=market_strong", "backbone=resnet18_scratch", "evaluation=aligned")
    with pytest.raises(ValueError, match=r"^evaluation\.local compares stripes .*model=alignedreid"):
        model.check_data(fake_data(), 1)


def test_more_stripes_than_rows_are_refused(built, fake_data):
    words = r"^local_branch\.stripes=4: the map of an image of 48 × 16 has 3 rows; give 3 or fewer, or null"
    with pytest.raises(ValueError, match=words):
        built(*BASELINE, "model.local_branch.stripes=4").check_data(fake_data(), 1)


def test_the_papers_own_recipe(built):
    model = built("+experiment=market_alignedreid", "backbone=resnet18_scratch", "transform.size=[64,32]")
    assert (model.evaluation.feature, model.evaluation.distance) == ("feature", "cosine")
    assert {name: term.weight for name, term in model.criterion.terms.items()} == {"id": 1, "triplet": 1, "local": 1}
    assert model.evaluation.local.stamp == "2 × global + 1 × DMLI of local_pooled"


def test_it_fits_a_batch_of_64_images(built):
    model = built(*BASELINE, "transform.size=[32,16]", persons=16)
    batch = random_batch(64, 16, size=(32, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for number in range(25):
        loss = model.train().training_step(batch, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = model(batch.image).logits
    assert (logits.argmax(1) == batch.person).float().mean() >= 0.95
