"""The datamodule that all data sets share; a data set is a reader and a few lines."""

import copy
import dataclasses
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from reid_lit.data.counts import Count, count
from reid_lit.data.loading import BatchLoader, Loader, ShotDataset, make_loader
from reid_lit.data.noise import ImageNoise
from reid_lit.data.problems import Report, stop
from reid_lit.data.samplers import BlockSampler, EpochSampler
from reid_lit.data.splits import draw_persons, part, query_and_gallery
from reid_lit.data.transforms import Transform
from reid_lit.records import JUNK, Batch, Shot, Split

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False, repr=False)
class ReidData(pl.LightningDataModule, ABC):
    """Training, validation and test batches of a re-ID data set; a data set adds its own fields and ``read``.

    Args:
        root: Where the data set lies.
        transform: What happens to the images.
        sampler: Makes the training sampler from ``labels, batch_size, rank, world, seed``.
        loader: Batch sizes and workers.
        val_persons: Training persons held out for validation; 0 holds out none, as the papers do.
        split_seed: Seed of every choice of persons; runs that differ in ``seed`` share their split.
        seed: Seed of the order of images and of their augmentation.

    Attributes:
        split: What is trained on and tested with (after ``setup``); ``split.train`` lacks the validation persons.
        validation: Query and gallery of the held-out persons; None without them.
        persons: Number of training classes.
        cameras: Number of cameras, the highest camera of all lists.
    """

    root: Path
    transform: Transform
    sampler: Callable[..., EpochSampler]
    loader: Loader
    val_persons: int = 0
    split_seed: int = 0
    seed: int = 0

    SPLITS: ClassVar[int] = 1
    """How many numbered splits the protocol averages over; a data set with more has a field ``split``."""

    def __post_init__(self) -> None:
        super().__init__()
        self.root = Path(self.root).expanduser()
        self.split: Split = Split(name="", train=(), query=(), gallery=())
        self.validation: Split | None = None
        self.persons = self.cameras = 0
        self._labels: list[int] | None = None
        self._train_sampler: EpochSampler | None = None

    @abstractmethod
    def read(self, report: Report = stop) -> Split:
        """The data set's lists; the one method that a data set writes.

        Args:
            report: Is told what is wrong; by default it raises.
        """

    def official(self) -> dict[str, Count]:
        """What an undamaged copy holds, by ``train``, ``query`` and ``gallery``; empty where nobody counted."""
        return {}

    def tests(self) -> list["ReidData"]:
        """This data set once for each of its tests, to be handed to a Trainer one after the other (after ``setup``)."""
        if not self.split.tests:
            return [self]
        views = []
        for test in self.split.tests:
            views.append(copy.copy(self))
            views[-1].split = dataclasses.replace(test, train=self.split.train, notes=(*self.split.notes, *test.notes))
        return views

    @override
    def setup(self, stage: str | None = None) -> None:
        if self._labels is None:  # Lightning calls this again for each stage
            self._read_once()
            if stage == "fit":  # before a network is built
                self._sampler(rank=0, world=1)
        if self.trainer is not None and self.validation is None:
            self.trainer.limit_val_batches = 0  # else Lightning warns in each run that the empty loader is empty

    def _read_once(self) -> None:
        self.split, self.validation = hold_out(self.read(), self.val_persons, seed=self.split_seed)
        classes = {person: label for label, person in enumerate(sorted({s.person_id for s in self.split.train}))}
        self._labels = [classes[shot.person_id] for shot in self.split.train]
        self.persons = len(classes)
        self.cameras = 1 + max(shot.camera_id for shot in self.split.shots)
        rank_zero_only(logger.info)("%s", describe(self.split, self.validation))

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"training_list": fingerprint(self.split.train), "seed": self.seed}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict != self.state_dict():
            raise ValueError(
                f"the checkpoint was trained with seed={state_dict['seed']} on another training list than the"
                f" {len(self.split.train)} images of {self.root.resolve()} with seed={self.seed}; resume with the same"
                f" data set and seed, or start a new run"
            )

    @override
    def train_dataloader(self) -> BatchLoader:
        self.setup()
        rank, world = self._place()
        sampler = self._train_sampler = self._sampler(rank, world)
        dataset = ShotDataset(self.split.train, self._labels or [], transform=self.transform)
        size, workers = self.loader.batch_size // world, self.loader.processes(world)
        return make_loader(dataset, sampler, batch_size=size, workers=workers, train=True)

    def _sampler(self, rank: int, world: int) -> EpochSampler:
        size = self.loader.batch_size
        return self.sampler(labels=self._labels or [], batch_size=size, rank=rank, world=world, seed=self.seed)

    @override
    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        self.setup()
        return [] if self.validation is None else self._test_loader(self.validation)

    @override
    def test_dataloader(self) -> BatchLoader:
        self.setup()
        return self._test_loader(self.split)

    def _test_loader(self, split: Split) -> BatchLoader:
        rank, world = self._place()
        shots = split.query + split.gallery
        size = max(1, min(self.loader.test_batch_size, len(shots) // world))  # every rank takes part in a test
        sampler = BlockSampler(count=len(shots), batch_size=size, rank=rank, world=world)
        dataset = ShotDataset(shots, [shot.person_id for shot in shots], transform=self.transform)
        return make_loader(dataset, sampler, batch_size=size, workers=self.loader.processes(world), train=False)

    @override
    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if self.trainer is None or not self.trainer.training or self._train_sampler is None:
            return batch._replace(image=self.transform.testing(batch.image))
        noise = ImageNoise(batch.index, seed=self.seed, epoch=self._train_sampler.epoch)
        return batch._replace(image=self.transform.training(batch.image, noise))

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


def hold_out(split: Split, count: int, *, seed: int) -> tuple[Split, Split | None]:
    """The split without junk in training and without ``count`` of its training persons, and those as query and gallery.

    Raises:
        ValueError: the split has nobody to train on, or would have nobody left, or none of the held-out can be a query.
    """
    train = tuple(shot for shot in split.train if shot.person_id != JUNK)
    persons = {shot.person_id for shot in train}
    if not 0 <= count < len(persons):
        raise ValueError(
            f"dataset.val_persons={count} of the {len(persons)} training persons of {split.name} leaves nobody to train"
            f" on or is negative; set it to 0 … {max(len(persons) - 1, 0)}"
        )
    if count == 0:
        return dataclasses.replace(split, train=train), split.validation
    if split.validation is not None:
        raise ValueError(
            f"dataset.val_persons={count}, but {split.name} sets validation persons aside itself; leave it at 0"
        )
    held, rest = part(train, draw_persons(persons, count, seed=seed))
    query, gallery = query_and_gallery(held)
    if not query:
        raise ValueError(
            f"none of the {count} held-out persons of {split.name} has two images, so there is no query;"
            f" raise dataset.val_persons or set it to 0"
        )
    note = f"{count} training persons held out for validation, drawn by split_seed={seed}"
    validation = Split(name=f"{split.name}_validation", train=(), query=query, gallery=gallery, notes=(note,))
    return dataclasses.replace(split, train=rest, notes=(*split.notes, note)), validation


def fingerprint(shots: tuple[Shot, ...]) -> str:
    """What tells one training list from another: names, persons and cameras, in order; not where the images lie."""
    text = "\n".join(f"{shot.path.name} {shot.person_id} {shot.camera_id}" for shot in shots)
    return hashlib.sha256(text.encode()).hexdigest()


def describe(split: Split, validation: Split | None) -> str:
    """Counts of images, persons and cameras of each list, and the notes, for the log."""
    lists = {"train": split.train}
    for test in split.tested:
        place = f"{test.name} " if split.tests else ""
        lists |= {f"{place}query": test.query, f"{place}gallery": test.gallery}
    if validation is not None:
        lists |= {"validation query": validation.query, "validation gallery": validation.gallery}
    counts = "; ".join(f"{name} {count(shots)}" for name, shots in lists.items())
    return "\n".join([f"{split.name}: {counts}", *(f"{split.name}: {note}" for note in split.notes)])
