import pytest
import torch

from reid_lit.run.folder import Run
from reid_lit.run.machine import check_precision, compiled, make_trainer
from reid_lit.training.once import train_once


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize("machine", ["default", "gpu", "ddp"])
def test_float16_without_a_gpu_is_refused_before_anything_else(compose, no_gpu, tmp_path, machine):
    cure = "give machine=cpu trainer=cpu, or trainer.precision=32-true"
    with pytest.raises(ValueError, match=rf"^trainer\.precision=16-mixed needs a GPU, .* no GPU; {cure}$"):
        train_once(compose("trainer=gpu", f"machine={machine}", "data_root=/nowhere"), Run(tmp_path))


def test_float16_on_a_cpu_is_refused_where_there_is_a_gpu(compose, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match=r"machine\.accelerator=cpu and that is a CPU"):
        check_precision(compose("trainer=gpu", "machine=cpu"))
    check_precision(compose("trainer=gpu"))


def test_other_precisions_need_none(compose, no_gpu):
    for words in ([], ["machine=cpu", "trainer=cpu"], ["trainer=gpu", "trainer.precision=bf16-mixed"]):
        check_precision(compose(*words))


def test_a_progress_bar_that_is_off_takes_its_callback_along(compose):
    config = compose("machine=cpu", "machine.progress_bar=false", "machine.model_summary=true")
    trainer = make_trainer(config)
    assert trainer.progress_bar_callback is None
    assert any("ModelSummary" in type(callback).__name__ for callback in trainer.callbacks)
    assert make_trainer(compose("machine=cpu")).progress_bar_callback is not None


def test_compiled_while_it_trains_and_only_then(compose, monkeypatch):
    network = torch.nn.Sequential(torch.nn.Linear(3, 2))
    names, images = list(network.state_dict()), torch.rand(4, 3)
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module: setattr(module, "_compiled_call_impl", compiled_call)
    )
    compiled_call = lambda *_: "compiled"  # noqa: E731
    plain = network(images)
    with compiled(compose("machine.compile=true"), network):
        assert network(images) == "compiled"
    assert torch.equal(network(images), plain)
    assert list(network.state_dict()) == names
    with compiled(compose(), network):
        assert torch.equal(network(images), plain)
