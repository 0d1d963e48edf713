import dataclasses

import pytest
import torch
from tests.models.steps import check_gradients, random_batch
from torch.nn import functional as F

from reid_lit.models.parts import uneven

SMALL = ("backbone=resnet18_scratch", "last_stride=one", "transform.size=[48,16]", "model.pool.stripes=3")
BASELINE = ("+experiment=market_strong", "model=pcb", "loss=parts_id_triplet", *SMALL)


def step(model):
    loss = model.train().training_step(random_batch(), 0)
    loss.backward()
    return loss


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("loss=parts_id",),
        ("loss.terms.id.loss.reduction=mean",),
        ("neck=bnneck3",),
        ("neck=bnneck2",),
        ("model.heads.shared=true", "model.heads.reduction.norm=true", "model.heads.reduction.relu=true"),
        ("model.heads.reduction=null", "neck=class_block", "neck.build.dim=16", "loss=parts_id"),
        ("model.heads.dropout=0.5", "neck=dropout", "neck.build.dropout=0.0", "loss=parts_id"),
    ],
    ids=" ".join,
)
def test_one_step_of_every_option_reaches_every_weight(built, options):
    model = built(*BASELINE, *options)
    assert step(model).isfinite()
    check_gradients(model)


def test_the_default_is_the_strong_baselines_table_8(built):
    model = built(*BASELINE)
    with torch.no_grad():
        output = model.train()(random_batch().image)
        losses = model.criterion(output, random_batch().person)
    logits = output.parts["part_logits"]
    id_loss = sum(F.cross_entropy(logits[:, part], random_batch().person, label_smoothing=0.1) for part in range(3))
    torch.testing.assert_close(losses["id"], id_loss)
    before = output.parts["part_feature"].flatten(1)  # triplets of all stripes in one vector, before the batch norms
    assert model.criterion.terms["triplet"].reads == ("feature",)
    torch.testing.assert_close(output.feature, before)
    assert (output.embedding.shape, model.evaluation.feature, model.evaluation.distance) == (
        (8, 768),
        "embedding",
        "cosine",
    )


def test_parameters_are_as_many_as_the_recipe_has(built):
    model = built("+experiment=market_strong", "model=pcb", "loss=parts_id_triplet", "backbone=resnet50",
                  "backbone.weights=none", persons=751)  # fmt: skip
    heads = {name: value for name, value in model.heads.named_parameters() if value.requires_grad}
    assert sum(value.numel() for value in heads.values()) == 6 * (2048 * 256 + 256 + 256 * 751)
    with torch.no_grad():
        maps = model.eval().backbone(torch.rand(1, 3, 384, 128))
    assert (maps.shape[1:], model.pool(maps).shape) == ((2048, 24, 8), (1, 6, 2048))


def test_pooled_parts_are_compared_each_at_unit_length(built):
    model = built(*BASELINE).eval()
    image = random_batch().image
    model.evaluation = dataclasses.replace(model.evaluation, feature="pooled", flip=True)
    with torch.no_grad():
        found = model.embed(image).unflatten(1, (3, -1))
        maps = model.backbone(image) + model.backbone(image.flip(-1))
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(8, 3))
    for stripe, rows in enumerate(maps.chunk(3, dim=2)):
        torch.testing.assert_close(found[:, stripe], F.normalize(rows.mean((2, 3))), rtol=1e-3, atol=1e-4)


def test_what_a_model_does_not_give_cannot_be_compared(built, fake_data):
    model = built("+experiment=market_strong", "backbone=resnet18_scratch", "evaluation.feature=pooled")
    words = r"^evaluation\.feature=pooled: this model gives embedding, feature; .* model=pcb"
    with pytest.raises(ValueError, match=words):
        model.check_data(fake_data(), 1)
    with pytest.raises(ValueError, match=words):
        model.eval().embed(random_batch().image)


def test_fewer_rows_than_stripes_are_refused(built, fake_data):
    model = built(*BASELINE, "model.pool.stripes=6")
    words = (
        r"^transform\.size=\[48,16\]: the map has 3 rows, .* 6 stripes; give \[96,16\] or .* model\.pool\.stripes=3 or"
    )
    with pytest.raises(ValueError, match=words):
        model.check_data(fake_data(), 1)
    built(*BASELINE).check_data(fake_data(), 1)


def test_rows_that_do_not_divide_evenly_are_said_with_the_heights_that_would(built, caplog):
    model = built(*BASELINE, "transform.size=[64,16]")
    model.say_uneven()
    words = (
        "4 rows of the map do not divide evenly into 3 stripes, so stripes overlap; transform.size=[height,16] with a"
    )
    assert caplog.messages == [f"{words} height of 48 or 96 would"]
    assert uneven(16, [6], (256, 128)).endswith("a height of 192 or 288 would")
    assert uneven(24, [2, 3], (384, 128)) == ""


def test_it_fits_a_batch_of_64_images(built):
    model = built(*BASELINE, "transform.size=[32,16]", "model.pool.stripes=2", persons=16)
    batch = random_batch(64, 16, size=(32, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for number in range(12):
        loss = model.train().training_step(batch, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = model(batch.image).parts["part_logits"]
    assert (logits.mean(1).argmax(1) == batch.person).float().mean() >= 0.95
