import pytest
import torch

from reid_lit.command.resolvers import cpu_precision


@pytest.mark.parametrize(("amx", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_the_faster_precision_of_the_processor(monkeypatch, compose, amx, precision):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert cpu_precision() == precision
    assert compose("trainer=cpu").trainer.precision == precision


def test_a_torch_that_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert cpu_precision() == "32-true"
