"""Batch norms over parts of a batch, and a source's own ones."""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from reid_lit.layers.norms_in_parts import SourceNorms, use_ghost_batches


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), BatchNormAct2d(4), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5)).train()


def test_each_part_is_normalised_as_if_it_were_alone():
    ghost, alone = network(), network()
    use_ghost_batches(ghost, 4)
    images = torch.randn(9, 3, 8, 8)  # two parts, of 5 and of 4
    got = ghost(images)
    expected = torch.cat([copy.deepcopy(alone)(part) for part in (images[:5], images[5:])])
    torch.testing.assert_close(got, expected)
    assert not torch.allclose(got, copy.deepcopy(alone)(images))
    assert ghost.state_dict().keys() == alone.state_dict().keys()
    torch.testing.assert_close(ghost.eval()(images), ghost(images.clone()))


def test_running_statistics_go_as_far_as_by_the_whole_batch():
    norm, mean = nn.BatchNorm1d(2).train(), torch.tensor([[3.0, -1.0], [5.0, 1.0]])
    whole = copy.deepcopy(norm)
    use_ghost_batches(norm, 2)
    norm(mean.repeat(4, 1))
    whole(mean.repeat(4, 1))
    torch.testing.assert_close(norm.running_mean, whole.running_mean)
    assert norm.momentum == 0.1


def test_a_small_batch_and_a_test_are_as_without():
    ghost, plain = network(), network()
    use_ghost_batches(ghost, 4)
    images = torch.randn(7, 3, 8, 8)
    torch.testing.assert_close(ghost(images), plain(images))
    torch.testing.assert_close(ghost.eval()(images), plain.eval()(images))


def test_a_copy_normalises_by_its_own():
    ghost = network()
    use_ghost_batches(ghost, 4)
    other = copy.deepcopy(ghost)
    other(torch.randn(8, 3, 8, 8) + 5)
    assert (ghost[1].running_mean == 0).all()
    assert (other[1].running_mean != 0).any()


def test_one_image_has_no_variance():
    with pytest.raises(ValueError, match=r"^ghost_batch=1: a variance needs 2"):
        use_ghost_batches(network(), 1)


@pytest.mark.parametrize("ghost", [False, True])
def test_a_source_has_norms_of_its_own(ghost):
    target = network()
    if ghost:
        use_ghost_batches(target, 4)
    source = SourceNorms(target)
    alone = network()
    if ghost:
        use_ghost_batches(alone, 4)
    images, before = torch.randn(8, 3, 8, 8) + 2, copy.deepcopy(target.state_dict())
    with source.used(target):
        got = target(images)
    torch.testing.assert_close(got, alone(images))
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())
    torch.testing.assert_close(source.copies[0].running_mean, alone[1].running_mean)
    got.sum().backward()
    assert all(p.grad is not None for p in source.parameters())
    assert target[1].weight.grad is None
    torch.testing.assert_close(target.eval()(images), network().eval()(images))
