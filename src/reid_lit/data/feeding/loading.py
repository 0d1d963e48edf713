"""How images get from the disk to a batch: workers, datasets, loaders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from reid_lit.data.feeding.cache import CACHES, RamCache
from reid_lit.data.feeding.decode import decode_shots
from reid_lit.data.feeding.samplers import BlockSampler
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import FailedError, InputError
from reid_lit.records import Batch, MixedBatch, Shot, TransferBatch

PATIENCE = 900
"""Seconds that the next batch is waited for."""

Item = tuple[Tensor, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """Batch sizes and workers.

    Attributes:
        batch_size: Training images of a *global* batch; each rank gets an equal share.
        test_batch_size: Images of a batch on one rank in testing.
        workers: Processes of a rank that read images; 0 reads in the training process; ``auto`` is up to 4, as many
            as the rank has processor cores.
        cache: ``none``, or ``ram`` to keep the decoded images of training and validation in memory, one block for all
            workers and ranks of a machine; Market-1501's training list takes 1.3 GB at 256 × 128.

    Raises:
        ValueError: a size is below 1, ``workers`` is neither ``auto`` nor a number ≥ 0, or the cache is unknown.
    """

    batch_size: int
    test_batch_size: int
    workers: int | str = "auto"
    cache: str = "none"

    def __post_init__(self) -> None:
        for name, size in (("batch_size", self.batch_size), ("test_batch_size", self.test_batch_size)):
            if size < 1:
                raise InputError(f"{name}={size}: a batch holds 1 image or more")
        if self.workers != "auto" and (not isinstance(self.workers, int) or self.workers < 0):
            raise InputError(f"workers={self.workers!r}: neither auto nor a number ≥ 0")
        if self.cache not in CACHES:
            raise InputError(f"cache={self.cache!r}: unknown; use {' or '.join(CACHES)}")

    def processes(self, world: int) -> int:
        """Workers of one of ``world`` ranks that share this machine's cores."""
        return self.workers if isinstance(self.workers, int) else min(4, _cores() // world)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only; a container may have fewer cores than the machine
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class ShotDataset(Dataset[Item]):
    """The images of a list, resized uint8, with person, camera and position.

    Args:
        shots: The images.
        labels: The person of each image: the class in training, the data set's id in testing.
        transform: Gives size and interpolation.
        cache: Stores decoded images; made for this list and size.
        testing: Whether the images get the transform's size for testing.
        pixels: Whether they are read at all; else a batch's ``image`` is empty.
    """

    def __init__(
        self,
        shots: Sequence[Shot],
        labels: Sequence[int],
        *,
        transform: Transform,
        cache: RamCache | None = None,
        testing: bool = False,
        pixels: bool = True,
    ) -> None:
        self.pixels = pixels
        self.shots = shots
        self.labels = labels
        self.size = transform.test_size if testing else transform.size
        self.interpolation = transform.interpolation
        self.cache = cache

    def __len__(self) -> int:
        return len(self.shots)

    @override
    def __getitem__(self, index: int) -> Item:
        return self._image([index])[0], self.labels[index], self.shots[index].camera_id, index

    def __getitems__(self, index: list[int]) -> Batch:
        """A whole batch; a DataLoader calls this method if a dataset has it."""
        person = torch.tensor([self.labels[i] for i in index])
        camera = torch.tensor([self.shots[i].camera_id for i in index])
        return Batch(self._image(index), person, camera, torch.tensor(index))

    def _image(self, index: list[int]) -> UInt8[Tensor, "b 3 h w"]:
        if not self.pixels:
            return torch.empty(len(index), 3, 0, 0, dtype=torch.uint8)
        if self.cache is None:
            return self._decoded(index)
        held = self.cache.held(index)
        if not held.all():
            absent = [i for i, is_held in zip(index, held, strict=True) if not is_held]
            self.cache.store(absent, self._decoded(absent))
        return self.cache.load(index)

    def _decoded(self, index: list[int]) -> UInt8[Tensor, "b 3 h w"]:
        return decode_shots([self.shots[i] for i in index], size=self.size, interpolation=self.interpolation)


def collate(batch: Any) -> Batch | MixedBatch | TransferBatch:
    """Return the batch as it is: :meth:`ShotDataset.__getitems__` has made it."""
    return batch


class BatchLoader(DataLoader[Item]):
    """A DataLoader that asks its sampler for nothing until the first batch is needed.

    Lightning makes the iterator before it sets the sampler's epoch. An ordinary DataLoader asks its sampler for the
    first batches at once, so that a resumed run would repeat the draw of epoch 0.
    """

    @override
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.timeout = PATIENCE if self.num_workers else 0  # else one that has lost a batch is waited for for ever
        try:
            yield from super().__iter__()
        except RuntimeError as error:
            if not str(error).startswith("DataLoader "):  # torch's own words, of processes that are gone or silent
                raise
            fact = str(error).partition(". ")[0]
            raise FailedError(
                f"workers={self.num_workers}: the processes that read images have failed ({fact});"
                f" they may lack memory, or the disk does not answer. Give machine.workers=0, which reads them in this"
                f" process, or more shared memory (docker run --shm-size=1g)"
            ) from error


def ordered_loader(dataset: ShotDataset, batch_size: int, *, workers: int, rank: int, world: int) -> BatchLoader:
    """The loader of a rank that gives the images in their order, each on exactly one rank.

    Args:
        dataset: The images.
        batch_size: Images of a batch on one rank, at most.
        workers: Processes that read.
        rank: This process, 0 … world-1.
        world: The number of processes.
    """
    size = max(1, min(batch_size, len(dataset) // world))  # every rank takes part
    sampler = BlockSampler(count=len(dataset), batch_size=size, rank=rank, world=world)
    return make_loader(dataset, sampler, batch_size=size, workers=workers, train=False)


def mixed_loader(dataset: ShotDataset, *, batch_size: int, workers: int, rank: int, world: int) -> BatchLoader:
    """The loader of a rank that gives each image on exactly one rank, the images of a batch spread over the list.

    Args:
        dataset: The images.
        batch_size: Images of a batch, or more by what does not fill another one.
        workers: Processes that read.
        rank: This process, 0 … world-1.
        world: The number of processes.
    """
    batches = spread_batches(len(dataset), batch_size, world)[rank::world]
    return BatchLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),
    )


def spread_batches(count: int, batch_size: int, world: int) -> list[list[int]]:
    """Positions in batches that are spread over a list of ``count``: every n-th of it, n batches in all.

    >>> spread_batches(7, 3, 1)
    [[0, 2, 4, 6], [1, 3, 5]]
    """
    number = max(1, count // (batch_size * world)) * world  # every rank takes part
    return [list(range(first, count, number)) for first in range(number)]


def make_loader(
    dataset: Dataset[Item], sampler: Sampler[int], *, batch_size: int, workers: int, train: bool
) -> BatchLoader:
    """The loader of a rank.

    Args:
        dataset: The images.
        sampler: The positions of this rank, batch after batch.
        batch_size: Images of a batch on this rank.
        workers: Processes that read; they may last as long as the loader.
        train: Whether the processes last.
    """
    return BatchLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,  # torch gives each worker one thread
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=train and workers > 0,
        generator=torch.Generator(),  # else it uses dropout's generator, at other moments in a resumed run
    )
