import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reid_lit.losses.batch_hard import BatchHardTripletLoss
from reid_lit.losses.parts import EachPart

TRIPLET = {"margin": 1.2, "normalise": False, "squared": False}


@pytest.mark.parametrize(("reduction", "smoothing"), [("sum", 0.0), ("mean", 0.1)])
def test_the_id_loss_of_all_parts_is_that_of_the_equation(reduction, smoothing):
    torch.manual_seed(0)
    logits, person = torch.randn(4, 3, 5), torch.tensor([0, 4, 2, 2])
    loss = EachPart(loss=nn.CrossEntropyLoss(label_smoothing=smoothing), reduction=reduction, groups=None)
    total = 0.0
    for part in range(3):
        for image in range(4):
            target = [smoothing / 5 + (1 - smoothing) * (person[image] == n) for n in range(5)]
            logs = logits[image, part] - logits[image, part].exp().sum().log()
            total -= sum(float(t * log) for t, log in zip(target, logs, strict=True)) / 4
    assert float(loss(logits, person)) == pytest.approx(total / (3 if reduction == "mean" else 1), rel=1e-5)


def test_groups_of_parts_are_compared_as_one_vector():
    torch.manual_seed(0)
    parts, person = torch.randn(8, 4, 3), torch.arange(8) // 2
    loss = EachPart(loss=BatchHardTripletLoss(**TRIPLET), reduction="mean", groups=[[0], [2, 3]])
    found = 0.0
    for vectors in (parts[:, 0], torch.cat([parts[:, 2], parts[:, 3]], dim=1)):
        for a in range(8):
            distance = [float((vectors[a] - vectors[b]).square().sum().sqrt()) for b in range(8)]
            farthest = max(d for b, d in enumerate(distance) if person[b] == person[a])
            nearest = min(d for b, d in enumerate(distance) if person[b] != person[a])
            found += max(farthest - nearest + 1.2, 0) / 8 / 2
    assert float(loss(parts, person)) == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"reduction": "max"}, r"^reduction='max': choose one of sum, mean"),
        ({"groups": []}, r"^groups=\[\]: give lists of parts"),
        ({"groups": [[0], []]}, r"^groups=.*: give lists of parts"),
        ({"groups": [[-1]]}, r"^groups=.*: give lists of parts"),
        ({"loss": nn.CrossEntropyLoss(label_smoothing=2)}, r"^loss\.label_smoothing=2: give a number from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        EachPart(**{"loss": F.cross_entropy, "reduction": "sum", "groups": None} | wrong)


def test_a_part_that_is_not_there_is_refused():
    loss = EachPart(loss=F.cross_entropy, reduction="sum", groups=[[0], [3]])
    with pytest.raises(ValueError, match=r"^groups=.*: the model has the parts 0 to 2"):
        loss(torch.randn(2, 3, 4), torch.tensor([0, 1]))
