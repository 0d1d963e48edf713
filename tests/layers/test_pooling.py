import pytest
import torch

from reid_lit.layers.pooling import GeneralizedMeanPool


def test_the_generalised_mean_is_that_of_the_equation():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    pool = GeneralizedMeanPool(p=2.5, learned=True, floor=1e-2).double()
    result = pool(maps).detach()
    for image in range(2):
        for channel in range(3):
            values = [max(float(value), 1e-2) for value in maps[image, channel].flatten()]
            expected = (sum(value**2.5 for value in values) / len(values)) ** (1 / 2.5)
            assert float(result[image, channel]) == pytest.approx(expected, rel=1e-6)


def test_one_is_the_mean_and_a_large_exponent_nears_the_maximum():
    maps = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(GeneralizedMeanPool(p=1.0, learned=False, floor=1e-6)(maps), maps.mean((2, 3)))
    most = GeneralizedMeanPool(p=80.0, learned=False, floor=1e-2)(maps)
    assert ((maps.amax((2, 3)) - most).abs() < 0.05).all()


def test_the_exponent_learns_where_it_is_to():
    learned, fixed = (GeneralizedMeanPool(p=3.0, learned=learned, floor=1e-6) for learned in (True, False))
    assert [name for name, _ in learned.named_parameters()] == list(learned.state_dict()) == ["p"]
    assert not list(fixed.named_parameters())
    assert not fixed.state_dict()
    learned(torch.rand(2, 3, 4, 5)).sum().backward()
    assert learned.p.grad.abs() > 0
