"""Any JPEGs as a data set with persons that are made up, for benches that time the product's own training."""

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch.utils.data import DataLoader
from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.loading import BatchLoader
from reid_lit.data.problems import Report, stop
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.records import Batch, Shot, Split


def made_up_persons(count: int) -> int:
    """How many persons are on ``count`` images: one on 16, eight at least."""
    return max(8, count // 16)


@dataclass(kw_only=True, eq=False, repr=False)
class ImageList(ReidData):
    """``count`` images, each file as often as needed.

    Args:
        files: Of the images.
        count: Training images, as many test images.
        in_memory: Batches that are read before training and given again and again; 0: all are read as they come.
    """

    files: list[Path]
    count: int
    in_memory: int = 0

    @override
    def read(self, report: Report = stop) -> Split:
        endless = itertools.cycle(self.files)
        persons = made_up_persons(self.count)
        shots = tuple(Shot(path=next(endless), person_id=n % persons, camera_id=n % 2) for n in range(self.count))
        return Split(name="bench", train=shots, query=shots[:2], gallery=shots[2:])

    @override
    def train_dataloader(self) -> BatchLoader:
        loader = super().train_dataloader()
        if not self.in_memory:
            return loader
        return DataLoader((self.ready(loader) * len(loader))[: len(loader)], batch_size=None)  # type: ignore[arg-type,return-value]

    def ready(self, loader: BatchLoader) -> list[Batch]:
        """The first batches of a loader."""
        return list(itertools.islice(loader, self.in_memory))

    def augmented(self, batch: Batch) -> Batch:
        """A batch of bytes as training sees it, without a Trainer."""
        return batch._replace(image=self.transform.training(batch.image, ImageNoise(batch.index, seed=0, epoch=0)))


def image_list(composed: DictConfig, files: list[Path], count: int, **settings: Any) -> ImageList:
    """The images, fed as ``composed`` says."""
    parts = {name: instantiate(composed[name], _convert_="all") for name in ("transform", "sampler", "loader")}
    data = ImageList(root=Path(), files=files, count=count, **parts, **settings)
    data.setup("fit")
    return data


def images_in(folder: Path) -> list[Path]:
    """The JPEGs below a folder."""
    files = sorted(folder.rglob("*.jpg"))
    if not files:
        raise SystemExit(f"no *.jpg in {folder.resolve()}")
    return files


def now() -> float:
    """The time when the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def on_device(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(part.to(device, non_blocking=True) for part in batch))
