import pytest
import torch

from reid_lit.run.folder import Run
from reid_lit.run.machine import check_precision, check_ranks, check_sync_batchnorm, compiled, make_trainer
from reid_lit.training.once import train_once


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize("machine", ["default", "gpu", "ddp"])
def test_float16_without_a_gpu_is_refused_before_anything_else(compose, no_gpu, tmp_path, machine):
    with pytest.raises(ValueError, match=r"^(trainer\.precision=16-mixed needs a GPU|machine\.accelerator=gpu: torch)"):
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


def test_synchronised_batch_norms_without_a_gpu_are_refused_before_anything_else(compose, no_gpu, tmp_path):
    cure = r"give trainer\.sync_batchnorm=false"
    for words, reason in (([], "this machine has none"), (["machine=cpu"], "that is a CPU")):
        with pytest.raises(ValueError, match=rf"^trainer\.sync_batchnorm=true needs CUDA GPUs, .* {reason}; {cure}"):
            train_once(compose("trainer.sync_batchnorm=true", "data_root=/nowhere", *words), Run(tmp_path))
    check_sync_batchnorm(compose("machine=cpu"))


def test_synchronised_batch_norms_are_lightnings_where_there_is_a_gpu(compose, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_sync_batchnorm(compose("trainer.sync_batchnorm=true", "machine=ddp"))
    with pytest.raises(ValueError, match="that is a CPU"):
        check_sync_batchnorm(compose("trainer.sync_batchnorm=true", "machine=cpu"))


@pytest.fixture
def started(monkeypatch):
    """Be started by nobody, or by what sets these variables."""

    def by(**variables):
        for key in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "SLURM_NTASKS"):
            monkeypatch.delenv(key, raising=False)
        for key, value in variables.items():
            monkeypatch.setenv(key, str(value))

    return by


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["machine.num_nodes=2"], {}, r"^machine\.num_nodes=2: nobody has said where the first machine is; .*torchrun"),
        (
            ["machine.devices=1"],
            {"WORLD_SIZE": 4, "LOCAL_WORLD_SIZE": 2},
            r"^machine\.devices=1: 1 rank with machine\.num_nodes=1, but torchrun has started 4, 2 of them on this"
            r" machine; give machine=ddp machine\.num_nodes=2 machine\.devices=2$",
        ),
        (
            ["machine=ddp", "machine.accelerator=cpu"],
            {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2},
            r"^machine\.devices=auto: 1 rank",
        ),
        (
            ["machine.devices=[0,1,2]"],
            {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2},
            r"^machine\.devices=\[0, 1, 2\]: 3 ranks",
        ),
    ],
)
def test_ranks_that_nobody_has_started_are_refused(compose, started, words, variables, message):
    started(**variables)
    with pytest.raises(ValueError, match=message):
        check_ranks(compose(*words))


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ([], {}),
        (["machine.num_nodes=2"], {"MASTER_ADDR": "10.0.0.1"}),
        (["machine.num_nodes=2"], {"SLURM_NTASKS": 2}),
        (
            ["machine.num_nodes=2", "machine.devices=2"],
            {"WORLD_SIZE": 4, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "10.0.0.1"},
        ),
        (["machine.devices=2"], {"WORLD_SIZE": 2}),  # Lightning's own, of one machine
    ],
)
def test_ranks_that_are_as_asked_are_not(compose, started, words, variables):
    started(**variables)
    check_ranks(compose(*words))
