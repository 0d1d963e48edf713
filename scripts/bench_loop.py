"""The training loop's own cost on a CPU: ``python scripts/bench_loop.py --images <folder>``; a GPU's: ``gpu.py``."""

import argparse
import contextlib
import copy
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from typing_extensions import override

from image_list import ImageList, image_list, images_in
from reid_lit.command.launch import _quiet
from reid_lit.paths import packaged
from reid_lit.records import Batch

READY = 8
"""Batches that are trained on again and again."""


def config(folder: Path, *overrides: str) -> DictConfig:
    """What ``train.py`` composes."""
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        return hydra.compose("train", [f"run_dir={folder}", "backbone.weights=none", *overrides])


class Bare:
    """The loop that one would write by hand: the same model, losses, optimizer and precision, and nothing around it."""

    def __init__(self, model: Any, composed: DictConfig, data: ImageList) -> None:
        self.model = copy.deepcopy(model).train().to(memory_format=torch.channels_last)
        head = [p for name, p in self.model.named_parameters() if not name.startswith("backbone.")]
        body = list(self.model.backbone.parameters())
        self.optimizer = instantiate(composed.optimizer)([{"params": head}, {"params": body}])
        self.data = data

    def step(self, batch: Batch) -> None:
        """One step with a batch of bytes."""
        batch = self.data.augmented(batch)
        with torch.autocast("cpu", torch.bfloat16):
            output = self.model(batch.image.contiguous(memory_format=torch.channels_last))
            loss: Tensor = sum(self.model.criterion(output, batch.person).values())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class BareBetween(pl.Callback):
    """Before each of our steps one of the bare loop, so that both see the same machine."""

    def __init__(self, bare: Bare, batches: list[Batch]) -> None:
        self.bare = bare
        self.batches = batches
        self.starts: list[float] = []
        self.ends: list[float] = []

    @override
    def on_train_batch_start(self, *_: Any) -> None:
        self.starts.append(time.perf_counter())
        self.bare.step(self.batches[len(self.ends) % len(self.batches)])
        self.ends.append(time.perf_counter())

    def seconds(self) -> tuple[float, float]:
        """Medians of our step and of the bare one, without the first few."""
        ours = [start - end for end, start in zip(self.ends[:-1], self.starts[1:], strict=True)]
        bare = [end - start for start, end in zip(self.starts, self.ends, strict=True)]
        return statistics.median(ours[5:]), statistics.median(bare[5:])


def loop_cost(files: list[Path], folder: Path, steps: int) -> None:
    composed = config(folder, "+experiment=synthetic_softmax", "trainer.max_epochs=1", "trainer.precision=bf16-mixed")
    data = image_list(composed, files, steps * int(composed.loader.batch_size), in_memory=READY)
    model = instantiate(composed.model, _convert_="all")(persons=data.persons)
    trainer = instantiate(composed.trainer, _convert_="all")
    between = BareBetween(Bare(model, composed, data), data.ready(data.train_dataloader()))
    trainer.callbacks.append(between)
    with contextlib.redirect_stdout(sys.stderr):  # the progress bar
        trainer.fit(model, datamodule=data)
    ours, bare = between.seconds()
    size = "ResNet-18 at 128 × 64, batch 32, bfloat16, one thread"
    print(f"| {size} | ms a step |\n|---|---|\n| bare PyTorch loop | {1e3 * bare:.1f} |")
    print(f"| ours, with all callbacks and the CSV log | {1e3 * ours:.1f} |\n| ratio | {ours / bare:.3f} |")


def run(files: list[Path], folder: Path, *, steps: int) -> None:
    """The table; ``folder`` takes logs and checkpoints."""
    _quiet()
    torch.set_num_threads(1)
    loop_cost(files, folder, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        run(images_in(arguments.images), Path(folder), steps=arguments.steps)


if __name__ == "__main__":
    main()
