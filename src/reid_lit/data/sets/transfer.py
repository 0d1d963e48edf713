"""A labelled source and an unlabelled target, side by side in each batch."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from pytorch_lightning.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import describe, is_whole
from reid_lit.data.fakes import refuse_fakes
from reid_lit.data.families import of_known_persons
from reid_lit.data.feeding.in_flight import batch_bytes
from reid_lit.data.feeding.loading import BatchLoader, ShotDataset, make_loader
from reid_lit.data.feeding.samplers import EpochSampler, ShuffleSampler, check_complete
from reid_lit.data.feeding.selection import over_labelled
from reid_lit.data.problems import Report, stop
from reid_lit.data.splits import as_target, refuse_held_out
from reid_lit.errors import InputError
from reid_lit.files.copies import copies
from reid_lit.records import JUNK, Batch, Split, TransferBatch, absolute, common_images
from reid_lit.wording import counted

logger = logging.getLogger(__name__)


def transfer(source: Split, target: Split) -> Split:
    """The source's training list, then the target's without its persons; the tests are the target's.

    The target's training cameras are numbered after all cameras of the source. Its training persons are all -1, so
    that training cannot read them. Its test lists stay as they are.

    Raises:
        ValueError: the source has no labels, the target has no training images, or both share images or persons.
    """
    labelled = tuple(shot for shot in source.train if shot.person_id != JUNK)
    if len({shot.person_id for shot in labelled}) < 2:
        raise InputError(
            f"source={source.name}: it has no two training persons with labels to learn from; name a labelled data"
            f" set as the source; this one can only be the target"
        )
    target = as_target(target)
    if not target.train:
        raise InputError(f"target={target.name}: it has no training images to adapt to; name a data set that has")
    ours, theirs = absolute(source.train), absolute(target.train)
    shared = common_images(ours, theirs) or copies(ours, theirs)
    if shared:
        raise InputError(
            f"target={target.name}: {counted(len(shared), 'training image is', 'training images are')} in the source"
            f" too, such as {shared[0]}; name another data set as the target, {target.name} is the source"
        )
    shared, of_whom = of_known_persons(theirs, ours)
    if shared:
        raise InputError(
            f"target={target.name}: {counted(len(shared), 'training image shows', 'training images show')} persons of"
            f" the source on other images ({of_whom}), such as {shared[0]}; name another data set as the target"
        )
    first = camera_count(source)
    unlabelled = tuple(
        dataclasses.replace(shot, person_id=JUNK, camera_id=shot.camera_id + first) for shot in target.train
    )
    notes = (
        *(f"source {source.name}: {note}" for note in source.notes),
        *target.notes,
        f"adapted from {source.name} ({counted(len(labelled), 'labelled image')}) to"
        f" {counted(len(unlabelled), 'training image')} of {target.name}, whose persons are not read",
    )
    return dataclasses.replace(target, train=labelled + unlabelled, notes=notes, validation=None)


def camera_count(split: Split) -> int:
    """The number of cameras, the highest camera of all lists and tests."""
    return 1 + max((shot.camera_id for shot in split.shots), default=-1)


class TransferSampler(EpochSampler):
    """Each rank's share of a labelled batch, then its share of an unlabelled batch.

    An epoch is an epoch of the source. The target is repeated as often as needed, in a new order each time.

    Args:
        source: Draws the labelled batches.
        target: Draws the unlabelled ones.
        offset: The position of the target's first image.
        world: The number of processes.
    """

    def __init__(self, *, source: EpochSampler, target: EpochSampler, offset: int, world: int) -> None:
        size = (source.share + target.share) * world
        super().__init__(batch_size=size, rank=source.rank, world=world, seed=source.seed)
        self.source = source
        self.target = target
        self.offset = offset

    @override
    def batches(self) -> int:
        return self.source.batches()

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        rounds = -(-self.batches() // self.target.batches())
        targets = [batch for turn in range(rounds) for batch in self.target.draw(epoch * rounds + turn)]
        return [self._dealt(*pair) for pair in zip(self.source.draw(epoch), targets, strict=False)]

    def _dealt(self, source: Sequence[int], target: Sequence[int]) -> list[int]:
        labelled, unlabelled = self.source.share, self.target.share
        dealt: list[int] = []
        for rank in range(len(source) // labelled):
            dealt += source[rank * labelled : (rank + 1) * labelled]
            dealt += [self.offset + position for position in target[rank * unlabelled : (rank + 1) * unlabelled]]
        return dealt


class TransferShots(ShotDataset):
    """The images of a source and of a target, given as a :class:`~reid_lit.records.TransferBatch`.

    Attributes:
        labelled: How many positions of a batch are the source's; they come first.
    """

    labelled: int = 0

    def __getitems__(self, index: list[int]) -> TransferBatch:  # type: ignore[override]
        """A whole batch of both."""
        batch = super().__getitems__(index)
        source = Batch(*(part[: self.labelled] for part in batch))
        target = Batch(*(part[self.labelled :] for part in batch))
        return TransferBatch(source, target)


@dataclass(kw_only=True, eq=False, repr=False)
class Transfer(ReidData):
    """A labelled source and an unlabelled target; it is tested on the target.

    Args:
        source: Trained on with its persons; several data sets are one :class:`~reid_lit.data.sets.joint.Joint`.
        target: Trained on without its persons. Of both, only the settings of what is read have an effect.
        target_batch_size: Images of the target in a *global* batch, in addition to ``loader.batch_size`` of the source.

    Attributes:
        camera_counts: The number of cameras of the source and of the target.
    """

    two_domains: ClassVar[bool] = True
    tests_by_training_cameras: ClassVar[bool] = False

    root: Path = Path()
    source: ReidData
    target: ReidData
    target_batch_size: int

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_fakes(self.source.fakes, self.target.fakes)
        held = (self.source.val_persons, self.target.val_persons)
        refuse_held_out(*held, cure="leave it out: an adaptation is watched without labels, by callbacks.health")
        self.camera_counts: tuple[int, ...] = ()
        self._target_persons: tuple[int, ...] = ()
        if self.target_batch_size < 1:
            raise InputError(f"target_batch_size={self.target_batch_size}: holds no image; set it to 1 or more")

    @property
    @override
    def batch_size(self) -> int:
        return self.loader.batch_size + self.target_batch_size

    @property
    def members(self) -> tuple[ReidData, ...]:
        """All data sets: the members of the source, then the target."""
        return (*getattr(self.source, "members", (self.source,)), self.target)

    @override
    def true_persons(self) -> tuple[int, ...]:
        source = len(self.split.train) - len(self._target_persons)
        return super().true_persons()[:source] + self._target_persons

    @override
    def whole(self) -> bool | None:
        return is_whole(self.split, self.target.official())

    @override
    def prepare_data(self) -> None:
        self.source.prepare_data()
        self.target.prepare_data()

    @override
    def read(self, report: Report = stop) -> Split:
        return self._transfer(self.source.listed(report), self.target.listed(report))

    @override
    def read_sound(self, on_bad_image: str) -> Split:
        return self._transfer(self.source.read_sound(on_bad_image), self.target.read_sound(on_bad_image))

    def _transfer(self, source: Split, target: Split) -> Split:
        self.camera_counts = (camera_count(source), camera_count(target))
        self._target_persons = tuple(shot.person_id for shot in as_target(target).train)
        return transfer(source, target)

    @override
    def _read_once(self) -> None:
        self.split = self.read_sound(self.on_bad_image)
        persons = [shot.person_id for shot in self.split.train]
        classes = {person: label for label, person in enumerate(sorted({*persons} - {JUNK}))} | {JUNK: JUNK}
        self._labels = [classes[person] for person in persons]
        self.persons = len(classes) - 1
        self.cameras = sum(self.camera_counts)
        rank_zero_only(logger.info)("%s", describe(self.split, None))

    @override
    def train_dataloader(self) -> BatchLoader:
        self.setup()
        rank, world = self._place()
        sampler = self._train_sampler = self._sampler(rank, world)
        shots, labels, cache = self.split.train, self._labels or [], self._cache_of_training()
        dataset = TransferShots(shots, labels, transform=self.transform, cache=cache, pixels=self._shows_images)
        dataset.labelled = sampler.source.share
        workers = self._workers(batch_bytes(2 * sampler.share, self.transform.size))
        return make_loader(dataset, sampler, batch_size=sampler.share, workers=workers, train=True)

    @override
    def _sampler(self, rank: int, world: int) -> TransferSampler:
        labels, size = self._labels or [], self.target_batch_size
        cameras = [shot.camera_id for shot in self.split.train]
        first = sum(shot.person_id != JUNK for shot in self.split.train)  # of the target
        images = len(labels) - first
        if images < size or size % world:
            raise InputError(
                f"target_batch_size={size}: it has to be a multiple of the {world} ranks and at most the"
                f" target's {counted(images, 'training image')}"
            )
        place = {"rank": rank, "world": world, "seed": self.seed}
        make = partial(self.sampler, batch_size=self.loader.batch_size, **place)
        source = over_labelled(make, labels[:first], cameras[:first])
        target: EpochSampler = ShuffleSampler(labels=range(images), batch_size=size, **place)
        if set(labels[first:]) != {JUNK}:  # its images have got classes, by which they are drawn as the source's are
            target = over_labelled(partial(self.sampler, batch_size=size, **place), labels[first:], cameras[first:])
        for sampler in (source, target):
            check_complete(sampler)
        return TransferSampler(source=source, target=target, offset=first, world=world)

    @override
    def on_after_batch_transfer(  # type: ignore[override]
        self, batch: Batch | TransferBatch, dataloader_idx: int
    ) -> Batch | TransferBatch:
        if isinstance(batch, TransferBatch):
            return TransferBatch(*(self._prepared(part) for part in batch))
        return self._prepared(batch)
