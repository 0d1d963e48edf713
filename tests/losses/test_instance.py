import math

import pytest
import torch

from reid_lit.losses.instance import InstanceLoss


def naive(embedding, target, gamma):
    """The equation, image by image, divided by the batch twice."""
    total = 0.0
    unit = [v / v.norm() for v in embedding]
    for i, row in enumerate(unit):
        logits = [gamma * float(row @ other) for other in unit]
        total += math.log(sum(math.exp(x) for x in logits)) - logits[target[i]]
    return total / len(unit) / len(unit)


@pytest.mark.parametrize(("legacy", "target"), [(False, [0, 1, 2, 3, 4]), (True, [1, 1, 0, 2, 1])])
def test_equals_the_equation(legacy, target):
    embedding = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    person = torch.tensor([4, 4, 2, 9, 4])
    got = InstanceLoss(gamma=32.0, legacy_label_targets=legacy)(embedding, person)
    assert float(got) == pytest.approx(naive(embedding, target, 32), rel=1e-10)


def test_the_gradient_flows_through_both_sides():
    embedding = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    loss = InstanceLoss(gamma=2.0, legacy_label_targets=False)
    assert torch.autograd.gradcheck(lambda e: loss(e, torch.arange(4)), embedding)
