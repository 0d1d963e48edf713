"""The machine that a run computes on, as the group ``machine`` of the config says."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict
from torch import nn

from reid_lit.errors import InputError


def make_trainer(config: DictConfig) -> pl.Trainer:
    """The trainer of a run.

    Raises:
        ValueError: see :func:`check_precision`.
    """
    check_precision(config)
    if not config.machine.progress_bar:
        with open_dict(config):
            config.callbacks.pop("progress", None)  # Lightning refuses a bar that is switched off
    return instantiate(config.trainer, _convert_="all")


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


def _has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()
