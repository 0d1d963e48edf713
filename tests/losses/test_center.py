import subprocess
import sys

import pytest
import torch
from torch import nn

from reid_lit.losses.center import CenterLoss, center_loss
from reid_lit.losses.criterion import Criterion, Term
from reid_lit.records import Output


def test_equals_the_loop():
    feature, person, centers = torch.randn(6, 4), torch.tensor([0, 2, 2, 1, 0, 2]), torch.randn(3, 4)
    total = sum(((f - centers[p]) ** 2).sum() for f, p in zip(feature, person, strict=True)) / 6
    torch.testing.assert_close(center_loss(feature, person, centers), total)


@pytest.mark.parametrize("beta", [0.0005, 0.5])
def test_centers_follow_as_by_an_optimizer_of_their_own_with_rescaled_gradients(beta):
    torch.manual_seed(0)
    loss = CenterLoss(persons=3, dim=4, center_lr=0.5).train()
    centers = nn.Parameter(loss.centers.clone())
    optimizer = torch.optim.SGD([centers], lr=0.5)
    for _ in range(5):
        feature, person = torch.randn(8, 4, requires_grad=True), torch.randint(0, 3, (8,))
        other = feature.detach().clone().requires_grad_()
        (beta * loss(feature, person)).backward()
        optimizer.zero_grad()
        (beta * center_loss(other, person, centers)).backward()
        centers.grad /= beta
        optimizer.step()
        torch.testing.assert_close(loss.centers, centers.data)
        torch.testing.assert_close(feature.grad, other.grad)


def test_centers_rest_in_testing_and_are_saved():
    loss = CenterLoss(persons=3, dim=4, center_lr=0.5)
    before = loss.centers.clone()
    loss.eval()(torch.randn(4, 4), torch.tensor([0, 1, 2, 0]))
    assert torch.equal(loss.centers, before)
    assert list(loss.state_dict()) == ["centers"]
    assert not list(loss.parameters())


def test_weight_zero_leaves_the_term_out():
    def term(weight):
        return Term(loss=CenterLoss(persons=3, dim=4, center_lr=0.5), reads="feature", weight=weight)

    criterion = Criterion(terms={"center": term(0.0), "other": term(1.0)}, gather=True)
    assert set(criterion(Output(torch.randn(2, 4), torch.randn(2, 4), None), torch.tensor([0, 1]))) == {"other"}
    with pytest.raises(ValueError, match="every loss of center has weight 0"):
        Criterion(terms={"center": term(0.0)}, gather=True)
    with pytest.raises(ValueError, match=r"^terms\.center\.weight=-0\.1: give 0, which leaves the loss out, or more"):
        Criterion(terms={"center": term(-0.1)}, gather=True)


RANK = """
import sys, torch
from torch import distributed
from reid_lit.losses.center import CenterLoss
rank = int(sys.argv[1])
distributed.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
torch.manual_seed(0)
loss = CenterLoss(persons=3, dim=4, center_lr=0.5).train()
feature, person = torch.randn(8, 4), torch.randint(0, 3, (8,))
loss(feature[4 * rank : 4 * rank + 4], person[4 * rank : 4 * rank + 4])
torch.save(loss.centers, f"{sys.argv[3]}/{rank}.pt")
distributed.destroy_process_group()
"""


def test_on_two_ranks_the_centers_follow_the_whole_batch(tmp_path):
    arguments = [str(tmp_path / "meeting"), str(tmp_path)]
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), *arguments]) for rank in range(2)]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    torch.manual_seed(0)
    loss = CenterLoss(persons=3, dim=4, center_lr=0.5).train()
    loss(torch.randn(8, 4), torch.randint(0, 3, (8,)))
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), loss.centers)
