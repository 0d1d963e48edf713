import pytest
import torch

from reid_lit.losses.difference import DifferenceLoss
from reid_lit.losses.reconstruction import reconstruction_loss


def entries(shared, private):
    """The entries of H_cᵀ H_p, one by one."""
    return [
        float(sum(shared[n, i] * private[n, j] for n in range(len(shared))))
        for i in range(shared.shape[1])
        for j in range(private.shape[1])
    ]


@pytest.fixture
def two():
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(5, n, dtype=torch.float64, generator=generator) for n in (4, 3))


def test_the_printed_form_is_the_squared_frobenius_norm(two):
    assert float(DifferenceLoss(normalised=False)(*two)) == pytest.approx(sum(e**2 for e in entries(*two)), rel=1e-10)


def test_the_normalised_form_is_the_mean_over_unit_rows(two):
    unit = [torch.stack([row / row.norm() for row in value]) for value in two]
    got = DifferenceLoss(normalised=True)(*two)
    assert float(got) == pytest.approx(sum(e**2 for e in entries(*unit)) / 12, rel=1e-5)
    assert float(DifferenceLoss(normalised=True)(two[0] * 10, two[1])) == pytest.approx(float(got), rel=1e-5)


def test_the_gradient_takes_the_lengths_as_constants(two):
    shared, private = (value.clone().requires_grad_() for value in two)
    DifferenceLoss(normalised=True)(shared, private).backward()
    lengths = [value.norm(dim=1, keepdim=True) for value in two]
    other, fixed = two[0].clone().requires_grad_(), two[1]
    (((other / lengths[0]).T @ (fixed / lengths[1])) ** 2).mean().backward()
    torch.testing.assert_close(shared.grad, other.grad, rtol=1e-4, atol=1e-8)
    assert private.grad.abs().sum() > 0


def test_features_without_correlation_have_no_difference_loss():
    shared, private = torch.eye(4)[:2].repeat(2, 1), torch.randn(2, 3)
    assert float(DifferenceLoss(normalised=False)(shared, torch.cat([private, -private]))) == 0


def test_reconstruction_is_the_mean_square_of_all_elements():
    rebuilt, original = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    terms = [(float(a) - float(b)) ** 2 for a, b in zip(rebuilt.flatten(), original.flatten(), strict=True)]
    assert float(reconstruction_loss(rebuilt, original)) == pytest.approx(sum(terms) / 24, rel=1e-5)
