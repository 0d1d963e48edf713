import math

import pytest
import torch
from torch.nn import functional as F

from reid_lit.losses.circle import CircleLoss, circle_loss


def naive(embedding, person, margin, gamma):
    """The equation, pair by pair."""
    positive, negative = 0.0, 0.0
    unit = [v / v.norm() for v in embedding]
    for i in range(len(unit)):
        for j in range(i + 1, len(unit)):
            s = float(unit[i] @ unit[j])
            if person[i] == person[j]:
                positive += math.exp(-gamma * max(0.0, 1 + margin - s) * (s - (1 - margin)))
            else:
                negative += math.exp(gamma * max(0.0, s + margin) * (s - margin))
    return math.log1p(positive * negative)


@pytest.mark.parametrize("person", [[0, 0, 1, 1, 2, 3], [0, 1, 1, 1, 0, 2]])
def test_equals_the_equation(person):
    embedding = torch.randn(6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    got = circle_loss(embedding, torch.tensor(person), margin=0.25, gamma=4.0)
    assert float(got) == pytest.approx(naive(embedding, person, 0.25, 4.0), rel=1e-10)


@pytest.mark.parametrize("person", [[0, 1, 2, 3], [5, 5, 5, 5]])
def test_without_pairs_of_a_kind_the_loss_and_its_gradient_are_zero(person):
    embedding = torch.randn(4, 8, requires_grad=True)
    loss = CircleLoss(margin=0.25, gamma=32.0)(embedding, torch.tensor(person))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(embedding.grad, torch.zeros(4, 8))


def test_is_divided_by_the_batch():
    embedding, person = torch.randn(6, 8), torch.tensor([0, 0, 1, 1, 2, 2])
    whole = circle_loss(embedding, person, margin=0.25, gamma=32.0)
    torch.testing.assert_close(CircleLoss(margin=0.25, gamma=32.0)(embedding, person), whole / 6)


def test_gradient_takes_the_weights_as_constants():
    embedding = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    person = torch.tensor([0, 0, 1, 1])
    circle_loss(embedding, person, margin=0.25, gamma=2.0).backward()
    frozen = F.normalize(embedding.detach())
    unit = F.normalize(other := embedding.detach().clone().requires_grad_())
    push, pull = [], []
    for i in range(4):
        for j in range(i + 1, 4):
            s, constant = unit[i] @ unit[j], frozen[i] @ frozen[j]
            if person[i] == person[j]:
                pull.append(-2.0 * (1.25 - constant).clamp_min(0) * (s - 0.75))
            else:
                push.append(2.0 * (constant + 0.25).clamp_min(0) * (s - 0.25))
    F.softplus(torch.stack(push).logsumexp(0) + torch.stack(pull).logsumexp(0)).backward()
    torch.testing.assert_close(embedding.grad, other.grad)
