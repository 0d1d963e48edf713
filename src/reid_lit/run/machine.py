"""The machine that a run computes on, as the group ``machine`` of the config says."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from lightning_fabric.plugins.environments import LightningEnvironment
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn

from reid_lit.errors import InputError
from reid_lit.run.checkpoint_io import WholeCheckpointIO
from reid_lit.wording import counted

_log = logging.getLogger(__name__)


def make_trainer(config: DictConfig) -> pl.Trainer:
    """The trainer of a run.

    Raises:
        ValueError: see :func:`check_precision` and :func:`check_ranks`.
    """
    check_precision(config)
    check_ranks(config)
    if not config.machine.progress_bar:
        with open_dict(config):
            config.callbacks.pop("progress", None)  # Lightning refuses a bar that is switched off
    plugins = [LightningEnvironment()] if _works_alone(config) else []
    trainer: pl.Trainer = instantiate(config.trainer, _convert_="all", plugins=plugins)
    trainer.strategy.checkpoint_io = WholeCheckpointIO()
    return trainer


@contextmanager
def compiled(config: DictConfig, backbone: nn.Module) -> Iterator[None]:
    """Within it a backbone is compiled, if ``machine.compile`` says so.

    Its parameters and their names stay; what follows, such as a test, is computed as in a run that was not compiled.
    """
    if not config.machine.compile:
        yield
        return
    backbone.compile()
    try:
        yield
    finally:
        torch.compiler.reset()
        backbone._compiled_call_impl = None  # torch has no public way back


def check_precision(config: DictConfig) -> None:
    """Refuse float16 where there is no GPU.

    Raises:
        ValueError: the precision is one of float16, and the run would be on a CPU.
    """
    precision, accelerator = str(config.trainer.precision), str(config.trainer.accelerator)
    if precision.startswith("16") and (accelerator == "cpu" or not _has_gpu()):
        reason = "that is a CPU" if accelerator == "cpu" else "this machine has no GPU"
        raise InputError(
            f"trainer.precision={precision} needs a GPU, but machine.accelerator={accelerator} and {reason}; give"
            f" machine=cpu trainer=cpu, or trainer.precision=32-true"
        )


def check_sync_batchnorm(config: DictConfig) -> None:
    """Refuse synchronised batch norms where there is no CUDA GPU; call this before a training's first work.

    Raises:
        ValueError: torch's SyncBatchNorm would refuse the images.
    """
    if config.trainer.sync_batchnorm and (config.machine.accelerator == "cpu" or not torch.cuda.is_available()):
        raise InputError(
            f"trainer.sync_batchnorm=true needs CUDA GPUs, but machine.accelerator={config.machine.accelerator} and"
            f" {'that is a CPU' if config.machine.accelerator == 'cpu' else 'this machine has none'}; give"
            f" trainer.sync_batchnorm=false: each rank's batch norms see its share of a batch"
        )


def check_ghost_batch(config: DictConfig) -> None:
    """Refuse synchronised batch norms beside ghost batches: Lightning puts others in the place of these norms.

    Raises:
        ValueError: the ghost batches would be dropped.
    """
    images = OmegaConf.select(config, "model.ghost_batch")
    if config.trainer.sync_batchnorm and images is not None:
        raise InputError(
            f"trainer.sync_batchnorm=true lets batch norms see a whole batch, and model.ghost_batch={images} so many"
            f" images of it; give trainer.sync_batchnorm=false, or model.ghost_batch=null"
        )


def check_ranks(config: DictConfig) -> None:
    """Refuse a number of ranks that is not what a launcher has started, and several machines that nobody has started.

    Raises:
        ValueError: each of torchrun's processes would be a run of its own, or a rank would wait for others in vain.
    """
    machine = config.machine
    if machine.num_nodes > 1 and not {"MASTER_ADDR", "SLURM_NTASKS"} & os.environ.keys():
        raise InputError(
            f"machine.num_nodes={machine.num_nodes}: nobody has said where the first machine is; start on each of them"
            f" torchrun --nnodes={machine.num_nodes} --node-rank=… --master-addr=… -m reid_lit.train …"
        )
    if "LOCAL_WORLD_SIZE" not in os.environ:  # torchrun's
        _check_step(config)
        return
    started, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if started != (asked := ranks_of(config)):
        raise InputError(
            f"machine.devices={machine.devices}: {counted(asked, 'rank')} with machine.num_nodes={machine.num_nodes},"
            f" but torchrun has started {started}, {here} of them on this machine; give machine=ddp"
            f" machine.num_nodes={started // here} machine.devices={here}"
        )


def _check_step(config: DictConfig) -> None:
    """Refuse the processes of srun where each of them would train alone."""
    started = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    if started != "1" and ranks_of(config) == 1 and os.environ.get("SLURM_PROCID", "0") != "0":
        raise InputError(
            f"machine.devices={config.machine.devices}: one rank, but srun has started {started} processes"
            f" (SLURM_STEP_NUM_TASKS), and each would train alone; give srun --ntasks=1, or machine=ddp"
            f" machine.devices={started}"
        )


def _works_alone(config: DictConfig) -> bool:
    """Whether one rank is asked for where SLURM's variables speak of several tasks: those of an interactive job."""
    tasks = os.environ.get("SLURM_NTASKS", "1")
    alone = tasks != "1" and "LOCAL_WORLD_SIZE" not in os.environ and ranks_of(config) == 1
    if alone:
        _log.warning(
            "SLURM_NTASKS is %s, and machine.devices=1: this process trains alone; machine=ddp machine.devices=%s has a"
            " rank for each task", tasks, tasks,
        )  # fmt: skip
    return alone


def ranks_of(config: DictConfig) -> int:
    """The ranks that a config asks for, over all machines."""
    return _devices(config) * config.machine.num_nodes


def _devices(config: DictConfig) -> int:
    """The ranks of one machine."""
    devices, accelerator = config.machine.devices, config.machine.accelerator
    if devices in ("auto", -1, "-1"):
        return 1 if accelerator == "cpu" else max(1, torch.cuda.device_count())
    return int(devices) if str(devices).isdigit() else len(devices)


def _has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()
