import pytest
import torch

from reid_lit.command.resolvers import cpu_precision


def processor(monkeypatch, *, amx=False, avx512_bf16=False):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "precision"),
    [(True, True, "bf16-mixed"), (False, True, "bf16-mixed"), (False, False, "32-true")],
)
def test_the_faster_precision_of_the_processor(monkeypatch, compose, amx, avx512_bf16, precision):
    processor(monkeypatch, amx=amx, avx512_bf16=avx512_bf16)
    assert cpu_precision() == precision
    assert compose("trainer=cpu").trainer.precision == precision


def test_a_depthwise_network_trains_in_float32(monkeypatch, compose):
    processor(monkeypatch, amx=True)
    assert compose("trainer=cpu", "backbone=mobilenet_v1").trainer.precision == "32-true"
    assert compose("trainer=cpu", "backbone=resnet18").trainer.precision == "bf16-mixed"


def test_a_backbone_of_ones_own_needs_no_name(monkeypatch, compose):
    processor(monkeypatch, amx=True)
    assert compose("trainer=cpu", "~backbone.name").trainer.precision == "bf16-mixed"


def test_a_torch_that_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert cpu_precision() == "32-true"


@pytest.mark.parametrize(
    ("size", "precision"),
    [
        ("[32,16]", "32-true"),
        ("[16,32]", "32-true"),
        ("[64,32]", "bf16-mixed"),
        ("null", "bf16-mixed"),
        ("64", "bf16-mixed"),
    ],
)
def test_images_of_few_pixels_are_trained_on_in_float32(monkeypatch, compose, size, precision):
    """Maps one pixel wide: torch leaves a part of a gradient in bfloat16 unwritten, and weights that are not finite."""
    processor(monkeypatch, amx=True)
    assert compose("trainer=cpu", f"transform.size={size}").trainer.precision == precision
