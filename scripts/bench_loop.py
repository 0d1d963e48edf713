"""The training loop's own cost, and how a GPU is fed: ``python scripts/bench_loop.py --images <folder>``."""

import argparse
import contextlib
import copy
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader
from typing_extensions import override

from reid_lit.command.launch import _quiet
from reid_lit.data.feeding.loading import Loader, ShotDataset, make_loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Transform
from reid_lit.paths import packaged
from reid_lit.records import Batch, Shot, Split

PERSONS = 100


def config(folder: Path, *overrides: str) -> DictConfig:
    """What ``train.py`` composes."""
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        return hydra.compose("train", [f"run_dir={folder}", "backbone.weights=none", *overrides])


class Data(pl.LightningDataModule):
    """Batches from memory or from a loader, augmented as the data sets' are."""

    def __init__(self, batches: Iterable[Batch], transform: Transform) -> None:
        super().__init__()
        self.batches = batches
        self.transform = transform
        self.split = Split(name="bench", train=(), query=(), gallery=())

    @override
    def train_dataloader(self) -> Iterable[Batch]:
        return self.batches

    @override
    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        return augmented(batch, self.transform)


def in_memory(batches: list[Batch], steps: int) -> DataLoader:
    return DataLoader((batches * steps)[:steps], batch_size=None)  # type: ignore[arg-type]


def augmented(batch: Batch, transform: Transform) -> Batch:
    return batch._replace(image=transform.training(batch.image, ImageNoise(batch.index, seed=0, epoch=0)))


def dataset(files: list[Path], transform: Transform, count: int) -> ShotDataset:
    shots = [Shot(path=files[i % len(files)], person_id=i % PERSONS, camera_id=0) for i in range(count)]
    return ShotDataset(shots, [shot.person_id for shot in shots], transform=transform)


class Bare:
    """The loop that one would write by hand: the same model, losses, optimizer and precision, and nothing around it."""

    def __init__(self, model: Any, composed: DictConfig, transform: Transform) -> None:
        self.model = copy.deepcopy(model).train()
        self.model.setup("fit")  # the memory layout
        head = [p for name, p in self.model.named_parameters() if not name.startswith("backbone.")]
        body = list(self.model.backbone.parameters())
        self.optimizer = instantiate(composed.optimizer)([{"params": head}, {"params": body}])
        self.transform = transform

    def step(self, batch: Batch) -> None:
        """One step with a batch of bytes."""
        batch = augmented(batch, self.transform)
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
    transform = instantiate(composed.transform, _convert_="all")
    data = dataset(files, transform, 8 * 32)
    batches = [data.__getitems__(list(range(start, start + 32))) for start in range(0, len(data), 32)]
    model = instantiate(composed.model, _convert_="all")(persons=PERSONS)
    trainer = instantiate(composed.trainer, _convert_="all")
    between = BareBetween(Bare(model, composed, transform), batches)
    trainer.callbacks.append(between)
    with contextlib.redirect_stdout(sys.stderr):  # the progress bar
        trainer.fit(model, Data(in_memory(batches, steps), transform))
    ours, bare = between.seconds()
    size = "ResNet-18 at 128 × 64, batch 32, bfloat16, one thread"
    print(f"| {size} | ms a step |\n|---|---|\n| bare PyTorch loop | {1e3 * bare:.1f} |")
    print(f"| ours, with all callbacks and the CSV log | {1e3 * ours:.1f} |\n| ratio | {ours / bare:.3f} |")


def images_a_second(batches: Iterable[Batch], composed: DictConfig, transform: Transform, size: int) -> float:
    """Images that our whole training takes a second, without its first steps."""
    times: list[float] = []

    class Clock(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.global_step % 10 == 0:
                torch.cuda.synchronize()
                times.append(time.perf_counter())

    model = instantiate(composed.model, _convert_="all")(persons=PERSONS)
    trainer = instantiate(composed.trainer, _convert_="all")
    trainer.callbacks.append(Clock())
    with contextlib.redirect_stdout(sys.stderr):
        trainer.fit(model, Data(batches, transform))
    return 10 * size * (len(times) - 3) / (times[-1] - times[2])


def feeding_of_a_gpu(files: list[Path], folder: Path, steps: int) -> None:
    print("| ResNet-50 at 256 × 128, AMP | images/s | with the batches in memory | the device waits for data |")
    print("|---|---|---|---|")
    for size in (64, 256):
        composed = config(
            folder, "machine=gpu", "trainer=gpu", "trainer.max_epochs=1", "model.recipe.channels_last=true"
        )
        transform = instantiate(composed.transform, _convert_="all")
        data = dataset(files, transform, steps * size)
        sampler = ShuffleSampler(labels=data.labels, batch_size=size)
        workers = Loader(batch_size=size, test_batch_size=size).processes(1)
        loader: DataLoader = make_loader(data, sampler, batch_size=size, workers=workers, train=True)
        ready = [batch.__class__(*(part.pin_memory() for part in batch)) for batch in _first(loader, 4)]
        fed = images_a_second(loader, composed, transform, size)
        most = images_a_second(in_memory(ready, steps), composed, transform, size)
        print(f"| batch {size}, {workers} workers | {fed:,.0f} | {most:,.0f} | {max(0.0, 1 - fed / most):.1%} |")


def _first(batches: Iterable[Batch], count: int) -> list[Batch]:
    return [batch for batch, _ in zip(batches, range(count), strict=False)]


def run(files: list[Path], folder: Path, *, steps: int) -> None:
    """Both tables; ``folder`` takes logs and checkpoints."""
    _quiet()
    torch.set_num_threads(1)
    loop_cost(files, folder, steps)
    print()
    if torch.cuda.is_available():
        feeding_of_a_gpu(files, folder, 100)
    else:
        print("no GPU here: images/s of ResNet-50 and the device's wait for data were not measured")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        run(sorted(arguments.images.rglob("*.jpg")), Path(folder), steps=arguments.steps)


if __name__ == "__main__":
    main()
