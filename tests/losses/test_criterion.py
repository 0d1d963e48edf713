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


def made(terms, classified=True, parts=()):
    criterion = Criterion(terms=terms, gather=True)
    return criterion.sized(persons=4, feature=3, embedding=3, classified=classified, parts=parts)


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
    with pytest.raises(ValueError, match=r"^terms\.id\.reads=embeding: choose one of feature, embedding, logits"):
        made({"id": Term(loss=Sum(), reads="embeding", weight=1.0)})
    with pytest.raises(ValueError, match=r"^reads=\[\]: choose one of feature, embedding, logits"):
        Term(loss=Sum(), reads=[], weight=1.0)


class Difference(nn.Module):
    def forward(self, one, other, person):
        return (one - other).sum() + person.sum()


def test_a_loss_may_read_several_outputs_and_parts():
    term = Term(loss=Difference(), reads=["feature", "local"], weight=2.0)
    criterion = made({"local": term}, parts=["local"])
    output = Output(torch.ones(2, 3), torch.zeros(2, 3), None, {"local": torch.full((2, 3), 0.5)})
    assert float(criterion(output, torch.tensor([0, 1]))["local"]) == 2 * (3 + 1)


def test_what_a_model_of_parts_or_without_them_does_not_give_is_refused():
    each = Term(loss=Sum(), reads="part_logits", weight=1.0)
    with pytest.raises(ValueError, match=r"^terms\.id\.reads=part_logits: this model has no parts; .* model=pcb"):
        made({"id": each})
    whole = Term(loss=Sum(), reads="logits", weight=1.0)
    with pytest.raises(ValueError, match=r"^terms\.id\.reads=logits: this model classifies each part; .*loss=parts_id"):
        made({"id": whole}, classified=False, parts=["part_logits"])
    with pytest.raises(ValueError, match=r"^terms\.id\.reads=part_logits: this neck has no classifier"):
        made({"id": each}, classified=False, parts=["pooled"])


def test_a_neck_without_logits_is_refused_before_training():
    criterion = Criterion(terms={"id": Term(loss=nn.CrossEntropyLoss(), reads="logits", weight=1.0)}, gather=True)
    with pytest.raises(ValueError, match=r"^terms\.id\.reads=logits: this neck has no classifier; choose another neck"):
        criterion.sized(persons=3, feature=2, embedding=2, classified=False)
    assert criterion.sized(persons=3, feature=2, embedding=2, classified=True) is criterion
