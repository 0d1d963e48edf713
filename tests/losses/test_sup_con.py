import math

import pytest
import torch

from reid_lit.losses.sup_con import SupConLoss, sup_con_loss


def by_loops(anchor, other, person):
    """The formula, one number after another."""
    total = 0.0
    for i, who in enumerate(person):
        products = [sum(a * b for a, b in zip(anchor[i], row, strict=True)) for row in other]
        normaliser = math.log(sum(math.exp(product) for product in products))
        positives = [products[j] - normaliser for j, whom in enumerate(person) if whom == who]
        total -= sum(positives) / len(positives)
    return total / len(person)


@pytest.mark.parametrize("person", [[0, 1, 0, 2, 1], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4]])
def test_it_is_the_double_loop_both_ways(person):
    image, text = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    for anchor, other in ((image, text), (text, image)):
        expected = by_loops(anchor.tolist(), other.tolist(), person)
        assert sup_con_loss(anchor, other, torch.tensor(person)).item() == pytest.approx(expected, rel=1e-12)


def test_products_are_neither_brought_to_unit_length_nor_divided():
    image, text, person = torch.eye(2), 3 * torch.eye(2), torch.tensor([0, 1])
    expected = math.log(1 + math.exp(-3.0))
    assert SupConLoss()(image, text, person).item() == pytest.approx(expected, rel=1e-6)


def test_its_gradient_brings_a_pair_together():
    image, text = torch.randn(6, 4), torch.randn(6, 4, requires_grad=True)
    person = torch.arange(6) % 3
    before = sup_con_loss(image, text, person)
    before.backward()
    assert sup_con_loss(image, text.detach() - 0.1 * text.grad, person) < before
