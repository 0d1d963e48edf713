import pytest
import torch

from reid_lit.layers.pooling import GeneralizedMeanPool, GlobalAveragePool


def test_a_generalized_mean_is_that_of_a_loop_and_its_power_learns():
    maps = torch.randn(2, 3, 4, 2)
    pool = GeneralizedMeanPool(p=3.0, least=1e-6)
    pooled = pool(maps)
    for image in range(2):
        for channel in range(3):
            values = [max(float(value), 1e-6) ** 3 for value in maps[image, channel].flatten()]
            assert pooled[image, channel].item() == pytest.approx((sum(values) / 8) ** (1 / 3), rel=1e-4)
    pooled.sum().backward()
    assert pool.p.grad is not None
    assert pool.p.grad.isfinite().all()
    assert pool.p.grad.item() > 0  # it grows with p


def test_its_mean_of_power_1_is_the_average_of_maps_that_are_not_negative():
    maps = torch.rand(2, 3, 4, 2) + 0.01
    torch.testing.assert_close(GeneralizedMeanPool(p=1.0, least=1e-6)(maps), GlobalAveragePool()(maps))


@pytest.mark.parametrize("settings", [{"p": 0.0}, {"least": 0.0}])
def test_numbers_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="give a number above 0"):
        GeneralizedMeanPool(**({"p": 3.0, "least": 1e-6} | settings))
