import logging
import math

import pytest
import torch

from reid_lit.losses.batch_hard import BatchHardTripletLoss, batch_hard_triplet_loss


def loop(embedding, person, *, margin, squared):
    """The definition as a double loop, in float64."""
    rows = embedding.double().tolist()
    total = 0.0
    for anchor, who in zip(rows, person.tolist(), strict=True):
        positive, negative = 0.0, math.inf
        for other, name in zip(rows, person.tolist(), strict=True):
            distance = sum((a - b) ** 2 for a, b in zip(anchor, other, strict=True))
            distance = distance if squared else math.sqrt(distance)
            if name == who:
                positive = max(positive, distance)
            else:
                negative = min(negative, distance)
        if math.isinf(negative):
            continue
        difference = positive - negative
        total += math.log1p(math.exp(difference)) if margin is None else max(0.0, difference + margin)
    return total / len(rows)


def batch(seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(12, 6, generator=generator), torch.randint(0, 4, (12,), generator=generator)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.3, 0.0, None])
@pytest.mark.parametrize("squared", [False, True])
def test_equals_the_double_loop(seed, margin, squared):
    embedding, person = batch(seed)
    loss = batch_hard_triplet_loss(embedding, person, margin=margin, squared=squared)
    assert loss.item() == pytest.approx(loop(embedding, person, margin=margin, squared=squared), rel=1e-5)


def test_on_unit_vectors_the_lengths_do_not_matter():
    embedding, person = batch()
    loss = BatchHardTripletLoss(margin=0.3, normalise=True, squared=False)
    unit = embedding / embedding.norm(dim=1, keepdim=True)
    assert loss(embedding * torch.rand(12, 1).add(0.5), person).item() == pytest.approx(
        loop(unit, person, margin=0.3, squared=False), rel=1e-5
    )


def test_gradients_are_those_of_the_formula():
    embedding, person = batch()
    embedding = embedding.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda e: batch_hard_triplet_loss(e, person, margin=5.0), embedding)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("normalise", [False, True])
def test_features_of_norm_300_in_half_precision_give_a_finite_loss_and_gradient(dtype, normalise):
    embedding, person = batch()
    half = (300 * embedding / embedding.norm(dim=1, keepdim=True)).to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=dtype, enabled=False):
        loss = BatchHardTripletLoss(margin=0.3, normalise=normalise, squared=True)(half.float(), person)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(half.grad).all()


def test_equal_images_have_a_gradient_and_it_is_finite():
    embedding = torch.ones(4, 3, requires_grad=True)
    loss = batch_hard_triplet_loss(embedding, torch.tensor([0, 0, 1, 1]), margin=0.3)
    loss.backward()
    assert loss.item() == pytest.approx(0.3)
    assert torch.isfinite(embedding.grad).all()


def test_a_batch_of_one_person_gives_no_loss():
    embedding, _ = batch()
    embedding.requires_grad_()
    loss = batch_hard_triplet_loss(embedding, torch.zeros(12).long(), margin=0.3)
    loss.backward()
    assert loss == 0
    assert not embedding.grad.any()


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match=r"^margin=-0\.1: give a number of at least 0"):
        BatchHardTripletLoss(margin=-0.1, normalise=False, squared=False)


@pytest.mark.parametrize(
    ("person", "told"), [([0, 0, 1, 2, 3], ["2 of 5 images"]), ([0, 0, 1, 1, 2, 3, 4, 5], []), ([0, 0, 1, 1], [])]
)
def test_a_first_batch_whose_anchors_mostly_lack_a_positive_is_told_of_once(caplog, person, told):
    caplog.set_level(logging.WARNING)
    person = torch.tensor(person)
    loss = BatchHardTripletLoss(margin=0.3, normalise=False, squared=False)
    loss.eval()(torch.randn(3, 4), torch.arange(3))
    assert not caplog.records  # nothing is trained
    for batch in (person, torch.arange(4)):
        loss.train()(torch.randn(len(batch), 4), batch)
    assert [record.getMessage().partition("first batch ")[2][:13] for record in caplog.records] == told
    assert all("sampler=person draws several of each" in record.getMessage() for record in caplog.records)


def test_the_first_rank_alone_warns(caplog, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    BatchHardTripletLoss(margin=0.3, normalise=False, squared=False)(torch.randn(3, 4), torch.arange(3))
    assert not caplog.records


def test_a_compiler_has_nothing_to_look_at(caplog, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    BatchHardTripletLoss(margin=0.3, normalise=False, squared=False)(torch.randn(3, 4), torch.arange(3))
    assert not caplog.records
