"""The loss and the update of the memory against double loops."""

import pytest
import torch
from torch.nn import functional as F

from reid_lit.losses.cluster_memory import ClusterMemory, follow, follow_hardest


def made(*, hardest=False, momentum=0.1, clusters=5, dim=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    loss = ClusterMemory(persons=2, dim=dim, temperature=0.05, momentum=momentum, hardest=hardest)
    loss.restart(torch.randn(clusters, dim, generator=generator))
    embedding = torch.randn(12, dim, generator=generator, requires_grad=True)
    cluster = torch.randint(clusters, (12,), generator=generator)
    return loss, embedding, cluster


def looped(memory, embedding, cluster, temperature):
    """The mean over the batch of −log of the softmax, image by image and cluster by cluster."""
    total = 0.0
    for image, own in zip(embedding, cluster.tolist(), strict=True):
        unit = image / image.norm()
        powers = [torch.exp((unit @ row) / temperature) for row in memory]
        total = total - torch.log(powers[own] / sum(powers))
    return total / len(embedding)


def followed(memory, embedding, cluster, momentum):
    """One image after another."""
    memory = memory.clone()
    for image, own in zip(F.normalize(embedding, dim=1), cluster.tolist(), strict=True):
        memory[own] = momentum * memory[own] + (1 - momentum) * image
        memory[own] /= memory[own].norm()
    return memory


def followed_hardest(memory, embedding, cluster, momentum):
    """Once a cluster, by its image with the least product."""
    memory, unit = memory.clone(), F.normalize(embedding, dim=1)
    for own in sorted(set(cluster.tolist())):
        images = [image for image, label in zip(unit, cluster.tolist(), strict=True) if label == own]
        products = [float(image @ memory[own]) for image in images]
        memory[own] = momentum * memory[own] + (1 - momentum) * images[products.index(min(products))]
        memory[own] /= memory[own].norm()
    return memory


@pytest.mark.parametrize(("hardest", "update"), [(False, followed), (True, followed_hardest)])
@pytest.mark.parametrize("momentum", [0.1, 0.0, 0.9])
def test_the_loss_its_gradient_and_the_update_are_those_of_loops(hardest, update, momentum):
    loss, embedding, cluster = made(hardest=hardest, momentum=momentum)
    before = loss.memory.clone()
    value = loss(embedding, cluster)
    assert torch.equal(loss.memory, before)  # nothing moves before the backward pass
    (gradient,) = torch.autograd.grad(value, embedding)
    again = embedding.detach().clone().requires_grad_()
    expected = looped(before, again, cluster, 0.05)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, again)[0])
    torch.testing.assert_close(loss.memory, update(before, embedding.detach(), cluster, momentum))
    torch.testing.assert_close(loss.memory.norm(dim=1), torch.ones(5))
    assert not loss.memory.requires_grad


def test_the_order_of_the_batch_decides_where_a_vector_ends():
    loss, embedding, cluster = made()
    unit, cluster = F.normalize(embedding.detach(), dim=1), torch.zeros_like(cluster)
    one, other = loss.memory.clone(), loss.memory.clone()
    follow(one, unit, cluster, momentum=0.1)
    follow(other, unit.flip(0), cluster, momentum=0.1)
    assert F.cosine_similarity(one[0], unit[-1], dim=0) > 0.9 > F.cosine_similarity(one[0], other[0], dim=0)


def test_ties_are_broken_by_the_order_of_the_batch():
    memory = torch.tensor([[1.0, 0.0]])
    unit = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    follow_hardest(memory, unit, torch.zeros(2, dtype=torch.int64), momentum=0.0)
    assert memory.tolist() == [[0.0, 1.0]]


def test_a_test_moves_nothing_and_the_memory_is_no_weight():
    loss, embedding, cluster = made()
    before = loss.memory.clone()
    loss.eval()(embedding, cluster).backward()
    assert torch.equal(loss.memory, before)
    assert not loss.state_dict()


def test_before_a_restart_vectors_become_what_they_follow_first():
    loss = ClusterMemory(persons=3, dim=2, temperature=1.0, momentum=0.5, hardest=False)
    embedding = torch.tensor([[3.0, 0.0], [0.0, 2.0]], requires_grad=True)
    loss(embedding, torch.tensor([2, 0])).backward()
    assert loss.memory.tolist() == [[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, r"^temperature=0\.0: give a number above 0"),
        ({"momentum": 1.0}, r"^momentum=1\.0: the share that is kept"),
        ({"momentum": -0.1}, r"^momentum=-0\.1"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, message):
    given = {"temperature": 0.05, "momentum": 0.1, "hardest": False} | settings
    with pytest.raises(ValueError, match=message):
        ClusterMemory(persons=2, dim=2, **given)
