import math

import pytest
import torch

from reid_lit.models.first_round import damage, feature_spread


def losses(*values):
    return [torch.tensor(value) for value in values]


def test_spread_is_the_mean_distance_to_the_mean_of_unit_features():
    assert feature_spread(torch.tensor([[3.0, 0.0], [1.0, 0.0]])) == 0
    assert feature_spread(torch.tensor([[1.0, 0.0], [-5.0, 0.0]])) == 1
    assert feature_spread(torch.tensor([[1.0, 0.0], [0.0, 2.0]])) == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize(
    ("end", "after", "seen"),
    [
        (4.0, 0.90, False),  # above chance, and wider
        (2.0, 0.50, False),  # narrower, and learnt
        (4.0, 0.50, True),
        (2.0, 0.39, True),
    ],
)
def test_damage_is_half_the_spread_or_a_smaller_one_with_a_loss_above_chance(end, after, seen):
    said = damage(losses(9.0, 9.0, 9.0, end), vectors=20, before=0.8, after=after, rate=3.5e-4)
    assert (said is not None) == seen
    if seen:
        assert said.startswith(
            f"round 0 ends with a loss of {end:.2f}, and 3.00 is chance among 20 vectors; the spread"
        )
        assert f"went from 0.80 to {after:.2f}" in said
        assert said.endswith("lower optimizer.lr, now 0.00035")
