import pytest
import torch
from torch import nn

from reid_lit.losses.criterion import Criterion, Term
from reid_lit.records import Output


class Sum(nn.Module):
    def forward(self, value, person):
        assert value.dtype == torch.float32
        assert not torch.is_autocast_enabled("cpu")
        return value.sum()


def test_terms_read_what_they_are_told_in_float32_under_autocast():
    criterion = Criterion(
        terms={"a": Term(loss=Sum(), reads="feature", weight=2.0), "b": Term(loss=Sum(), reads="logits", weight=0.5)},
        gather=True,
    )
    output = Output(torch.ones(2, 3, dtype=torch.bfloat16), torch.zeros(2, 3), torch.full((2, 4), 3.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = criterion(output, torch.tensor([0, 1]))
    assert {name: float(value) for name, value in losses.items()} == {"a": 12.0, "b": 12.0}


def test_an_unknown_output_is_refused():
    with pytest.raises(ValueError, match=r"^reads='embeding': choose one of feature, embedding, logits"):
        Term(loss=Sum(), reads="embeding", weight=1.0)


def test_a_neck_without_logits_is_refused_before_training():
    criterion = Criterion(terms={"id": Term(loss=nn.CrossEntropyLoss(), reads="logits", weight=1.0)}, gather=True)
    with pytest.raises(ValueError, match=r"^terms\.id\.reads=logits: this neck has no classifier; choose another neck"):
        criterion.sized(persons=3, feature=2, embedding=2, classified=False)
    assert criterion.sized(persons=3, feature=2, embedding=2, classified=True) is criterion
