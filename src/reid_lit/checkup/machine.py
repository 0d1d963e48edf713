"""What this machine offers: processors, precisions and optional packages."""

import importlib
import logging
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import timm
import torch
from torch.backends import cpu

from reid_lit.backbones.imagenet import imagenet_file
from reid_lit.backbones.installed import installed_weights
from reid_lit.checkup.diagnosis import Fact
from reid_lit.command.resolvers import cpu_precision
from reid_lit.data.feeding.in_flight import SHARED, batch_bytes, check_shared, free_shared
from reid_lit.data.feeding.loading import Loader
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import InputError, UserError
from reid_lit.wording import counted

YES, NO = "✓", "–"


def machine(backbone: str, weights: str, *, why_offline: str) -> Iterator[Fact]:
    """A fact for each thing that a run may use; it begins with ✓ if this machine has it and with – if not.

    Args:
        backbone: timm's name of the network.
        weights: ``imagenet``, ``none``, or a file or run folder.
        why_offline: Why W&B cannot be online; empty when it can.
    """
    yield from _gpus()
    yield Fact(name="processor", value=f"{cpu.get_cpu_capability()}, torch threads: {torch.get_num_threads()}")
    yield from _precisions()
    yield Fact(name="faiss", value=_faiss())
    wandb = f"{NO} offline: {why_offline}" if why_offline else f"{YES} {version('wandb')}, online"
    yield Fact(name="wandb", value=wandb)
    yield Fact(name=f"weights {weights}", value=_weights(backbone, weights))


def _gpus() -> Iterator[Fact]:
    if not torch.cuda.is_available():
        yield Fact(name="gpu", value=f"{NO} none that torch {torch.__version__} can use")
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        memory = f"{card.total_memory / 2**30:.0f} GiB, compute capability {card.major}.{card.minor}"
        yield Fact(name=f"gpu {number}", value=f"{YES} {card.name}, {memory}, CUDA {torch.version.cuda}{_driver()}")


def shared_memory(loader: Loader, transform: Transform) -> Fact:
    """Whether the shared memory has room for the batches that the processes which read images hold."""
    free, name = free_shared(), f"shared memory {SHARED}"
    if free is None:
        return Fact(name=name, value=f"{YES} not needed on this system")
    workers = loader.processes(1)
    batches = {
        "a batch of training": batch_bytes(loader.batch_size, transform.size),
        "one of a test": batch_bytes(loader.test_batch_size, transform.test_size),
    }
    try:
        check_shared(workers, batches, ranks=1)
    except InputError as error:
        return Fact(name=name, value=f"{NO} machine.{error}")
    readers = f"enough for the {counted(workers, 'process', 'processes')} that read images" if workers else "not needed"
    return Fact(name=name, value=f"{YES} {free / 1e6:,.0f} MB free, {readers}")


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", driver {lines[0].strip()}" if lines else ""


def _precisions() -> Iterator[Fact]:
    """What ``trainer.precision`` may be, and whether it is worth it."""
    if torch.cuda.is_available():
        yield Fact(name="16-mixed", value=f"{YES} on the GPU")
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        yield Fact(name="bf16-mixed", value=f"{YES} on the GPU" if native else f"{NO} slow: the GPU emulates it")
        return
    fast = cpu_precision() == "bf16-mixed"
    yield Fact(name="16-mixed", value=f"{NO} needs a GPU")
    yield Fact(name="bf16-mixed", value=f"{YES} on the processor" if fast else f"{NO} slow: the processor emulates it")


def _faiss() -> str:
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # it logs each library that it tries
    try:
        faiss = importlib.import_module("faiss")
    except ImportError as error:
        return f"{NO} {error}: pip install faiss-gpu, or faiss-cpu without a GPU"
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    return f"{YES} {faiss.__version__}, {f'{gpus} GPUs' if gpus else 'on the processor'}"


def _weights(backbone: str, weights: str) -> str:
    if weights == "none":
        return f"{YES} {backbone} starts from random weights"
    if weights != "imagenet":
        return f"{YES if Path(weights).exists() else NO} {weights}"
    installed = installed_weights(backbone)
    if installed is not None:
        try:
            return f"{YES} {backbone}: {installed.path()}"
        except UserError as error:
            return f"{NO} {error}"
    config = timm.get_pretrained_cfg(backbone)
    file = imagenet_file(config) if config is not None else None
    return f"{YES} {backbone}: {file}" if file else f"{NO} {backbone}: not in the local cache, so to be downloaded"
