import pytest
import torch

from reid_lit.losses.contrastive import ContrastiveLoss, contrastive_loss


def naive(embedding, person, margin):
    """The equation, pair by pair."""
    terms = []
    for i in range(len(person)):
        for j in range(i + 1, len(person)):
            d = float(sum((a - b) ** 2 for a, b in zip(embedding[i], embedding[j], strict=True)) ** 0.5)
            terms.append(d**2 if person[i] == person[j] else max(0.0, margin - d) ** 2)
    return sum(terms) / len(terms)


@pytest.mark.parametrize("person", [[0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 5], [3, 3, 3, 3, 3, 3]])
def test_equals_the_equation(person):
    embedding = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    got = contrastive_loss(embedding, torch.tensor(person), margin=2.5)
    assert float(got) == pytest.approx(naive(embedding, person, 2.5), rel=1e-10)


def test_equal_images_have_a_finite_gradient_and_one_image_has_no_loss():
    embedding = torch.ones(4, 3, requires_grad=True)
    loss = contrastive_loss(embedding, torch.tensor([0, 0, 1, 1]), margin=1.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(4 / 6)
    assert torch.isfinite(embedding.grad).all()
    assert float(contrastive_loss(torch.ones(1, 3), torch.tensor([0]), margin=1.0)) == 0


def test_a_margin_that_pushes_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^margin=0\.0: give a number above 0"):
        ContrastiveLoss(margin=0.0)
