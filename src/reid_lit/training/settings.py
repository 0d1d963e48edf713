"""What a config asks of a training, looked at before any data are read."""

import os
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig
from torch import nn

from reid_lit.errors import InputError
from reid_lit.overrides import literal
from reid_lit.paths import options
from reid_lit.run.image_size import check_image_size
from reid_lit.run.logged import check_loggers
from reid_lit.run.machine import check_ghost_batch, check_precision, check_ranks, check_sync_batchnorm
from reid_lit.run.objective import check_maximised
from reid_lit.run.stages import stage_entries
from reid_lit.run.values import check_values
from reid_lit.training.low_memory import check_alone

_RANKS_A_CORE = 4
"""More processes than this for each processor core are a mistake."""
_SEEDS = 2**32
"""As many as numpy's and Lightning's generators take."""


def check_settings(config: DictConfig) -> None:
    """Raise InputError for a setting that no training can have, whatever the data are.

    Raises:
        ValueError: a value of another type than its part takes, a seed or a length that is none, a machine that is not
            there, or an optimizer or a schedule that cannot be built.
    """
    check_seed(config.seed)
    check_groups(config)
    check_values(config)
    check_parts_of(config, "callbacks")
    check_parts_of(config, "logger")
    check_loggers(config)
    stage_entries(config)
    check_tests(config.test_on)
    check_maximised(config.objective)
    check_length(config)
    check_intervals(config)
    check_checkpoint(config)
    check_machine(config)
    check_alone(config)
    check_optimizer(config)
    check_image_size(config)


def check_seed(seed: Any) -> None:
    """Raise InputError unless ``seed`` is a whole number that every generator takes."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < _SEEDS:
        raise InputError(f"seed={literal(seed)}: give a whole number from 0 to {_SEEDS - 1}")


def check_groups(config: DictConfig) -> None:
    """Raise InputError for a value in the place of a whole group of keys."""
    for group in ("loader", "labels"):
        if not isinstance(config[group], DictConfig):
            names = "batch_size, test_batch_size" if group == "loader" else "paper, table, row"
            raise InputError(f"{group}={literal(config[group])}: it is a group of keys; set {group}.<key>, of {names}")


def check_parts_of(config: DictConfig, group: str) -> None:
    """Raise InputError unless each entry of a group is a part."""
    for name, part in (config[group] or {}).items():
        if not isinstance(part, DictConfig) or "_target_" not in part:
            raise InputError(
                f"{group}.{name}={literal(_plain(part) if isinstance(part, DictConfig) else part)}: no part; give"
                f" {{_target_: <class>, …}}, or go without it by ~{group}.{name}"
            )


def check_tests(entries: Any) -> None:
    """Raise InputError unless each entry of ``test_on`` is an option of ``dataset``, or a mapping that names one."""
    if entries is None:  # nothing is tested
        return
    if not isinstance(entries, ListConfig):
        raise InputError(f"test_on={entries}: give a list, such as test_on=[market1501], or null to test nothing")
    known = options("dataset")
    for entry in entries:
        name = entry.get("dataset") if isinstance(entry, DictConfig) else entry
        if name not in known:
            given = literal(_plain(entry) if isinstance(entry, DictConfig) else entry)
            raise InputError(
                f"test_on=[{given}]: it names none of the data sets {', '.join(known)}; give such as market1501, or"
                " {dataset: ward, root: /data/WARD}"
            )


def check_length(config: DictConfig) -> None:
    """Raise InputError for a training without an end, or without a step."""
    trainer = config.trainer
    if trainer.get("max_steps", -1) == -1 and (trainer.max_epochs is None or trainer.max_epochs < 1):
        raise InputError(
            f"trainer.max_epochs={literal(trainer.max_epochs)}: give a number of epochs, 1 or more: without an end it"
            " would train a thousand, and without one it would test an untrained network"
        )
    for key in ("limit_train_batches", "limit_test_batches"):
        if trainer.get(key) == 0:
            raise InputError(f"trainer.{key}=0: nothing would be done; leave it out, or give a number above 0")


def check_intervals(config: DictConfig) -> None:
    """Raise InputError for a number of epochs or steps from one time to the next that is none."""
    trainer, build = config.trainer, config.scheduler.build
    named = {f"trainer.{key}": trainer.get(key, 1) for key in ("check_val_every_n_epoch", "accumulate_grad_batches")}
    named |= {
        f"scheduler.build.{key}": build.get(key, 1) for key in ("step_size", "T_max", "T_0")
    }  # constant: total_iters is 0
    for key, value in named.items():
        if isinstance(value, int) and value < 1:
            raise InputError(f"{key}={value}: give 1 or more")
    if trainer.log_every_n_steps < 0:
        raise InputError(f"trainer.log_every_n_steps={trainer.log_every_n_steps}: give 1 or more, 0 for no log")


def check_checkpoint(config: DictConfig) -> None:
    """Raise InputError for checkpoints that nothing could be resumed or tested from."""
    checkpoint = config.callbacks.get("checkpoint")
    if checkpoint is None:
        return
    if checkpoint.get("filename") != "last":
        raise InputError(
            f"callbacks.checkpoint.filename={literal(checkpoint.get('filename'))}: resume= and tests read last.ckpt;"
            " give last, and other checkpoints by a callback of their own"
        )
    every, epochs = checkpoint.get("every_n_epochs"), config.trainer.max_epochs
    if every is not None and (every < 1 or (epochs not in (None, -1) and epochs % every)):
        raise InputError(
            f"callbacks.checkpoint.every_n_epochs={every}: give a divisor of trainer.max_epochs={epochs}, so that the"
            " last epoch is kept"
        )
    if checkpoint.get("save_top_k", 1) == 0:
        raise InputError("callbacks.checkpoint.save_top_k=0: it would keep nothing to resume or test; leave it out")


def check_machine(config: DictConfig) -> None:
    """Raise InputError for processors that are not there."""
    machine = config.machine
    for key in ("compile", "progress_bar", "model_summary"):
        if not isinstance(machine[key], bool):
            raise InputError(f"machine.{key}={literal(machine[key])}: give true or false")
    if machine.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise InputError(
            f"machine.accelerator={machine.accelerator}: torch {torch.__version__} sees no GPU on this machine; give"
            " machine=cpu trainer=cpu"
        )
    if config.trainer.precision is None:
        raise InputError("trainer.precision=null: give 32-true, bf16-mixed or, on a GPU, 16-mixed")
    if not isinstance(machine.num_nodes, int) or machine.num_nodes < 1:
        raise InputError(f"machine.num_nodes={literal(machine.num_nodes)}: give the number of machines, 1 or more")
    check_precision(config)
    check_ghost_batch(config)
    check_sync_batchnorm(config)
    devices, cores = machine.devices, os.cpu_count() or 1
    on_cpu = machine.accelerator == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
    if isinstance(devices, int) and (devices == 0 or devices < -1 or (on_cpu and devices > _RANKS_A_CORE * cores)):
        raise InputError(
            f"machine.devices={devices}: this machine has {cores} processor cores and {torch.cuda.device_count()} GPUs;"
            " give 1, a number of GPUs, or auto"
        )
    check_ranks(config)


def check_optimizer(config: DictConfig) -> None:
    """Build optimizer and schedule once, for a weight that nobody uses.

    Raises:
        InputError: one cannot be built, with torch's reason.
    """
    weight = nn.Parameter(torch.zeros(1))
    try:
        optimizer = instantiate(config.optimizer)([{"params": [weight]}])
    except (InstantiationException, TypeError, ValueError) as error:
        raise InputError(f"optimizer={literal(_plain(config.optimizer))}: {_reason(error)}") from error
    interval = config.scheduler.interval
    if interval not in ("epoch", "step"):
        raise InputError(f"scheduler.interval={literal(interval)}: give epoch or step")
    length = {"total_steps": 100} if interval == "step" else {}
    try:
        schedule = instantiate(config.scheduler.build, _convert_="all")(optimizer, **length)
        optimizer.step()
        schedule.step()
    except (InstantiationException, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"scheduler.build={literal(_plain(config.scheduler.build))}: {_reason(error)}") from error


def _plain(part: DictConfig) -> dict[str, Any]:
    return {str(key): value for key, value in part.items() if key != "_partial_"}


def _reason(error: BaseException) -> str:
    """The first line of what went wrong below Hydra."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0]
