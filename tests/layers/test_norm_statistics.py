import pytest
import torch
from torch import nn

from reid_lit.layers.norm_statistics import batch_norms, merged, moments, observed, set_statistics


def test_moments_of_parts_are_those_of_the_whole():
    values = torch.randn(13, 3, 4, 2, generator=torch.Generator().manual_seed(0)) * 5 + 100
    parts = [moments(part) for part in values.split([1, 5, 7])]
    found = merged(merged(parts[0], parts[1]), parts[2])
    for channel in range(3):
        listed = values[:, channel].flatten().double().tolist()
        mean = sum(listed) / len(listed)
        assert found.count == len(listed) == 104
        assert found.mean[channel].item() == pytest.approx(mean, rel=1e-6)
        variance = sum((value - mean) ** 2 for value in listed) / (len(listed) - 1)
        assert found.variance[channel].item() == pytest.approx(variance, rel=1e-5)


def test_rows_have_moments_too():
    values = torch.arange(12.0).view(6, 2)
    found = moments(values)
    torch.testing.assert_close(found.mean, torch.tensor([5.0, 6.0], dtype=torch.float64))
    torch.testing.assert_close(found.variance, values.double().var(0))


def test_norms_without_statistics_are_left_out_and_modes_stay_as_they_were():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2, track_running_stats=False), nn.LayerNorm(2)).eval()
    norms = batch_norms(network)
    assert list(norms) == ["0"]
    with observed(norms) as seen:
        assert network[0].training
        network(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert not network[0].training
    set_statistics(norms["0"], seen["0"])
    assert network[0].running_mean.tolist() == [2.0, 4.0]
    assert network[0].running_var.tolist() == [2.0, 8.0]
    network(torch.ones(2, 2))
    assert seen["0"].count == 2
