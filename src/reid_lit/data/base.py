"""The datamodule that all data sets share; a data set adds what :mod:`.contract` asks for."""

import copy
import dataclasses
import logging
from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytorch_lightning as pl
from annotated_types import Ge
from jaxtyping import Int
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor
from typing_extensions import override

from reid_lit.data.contract import DataContract
from reid_lit.data.counts import describe
from reid_lit.data.fakes import Fakes, read_fakes
from reid_lit.data.feeding.cache import RamCache, check_room, needed_bytes, shared_cache
from reid_lit.data.feeding.images import CHOICES, sound
from reid_lit.data.feeding.in_flight import batch_bytes, check_shared, fitting_workers
from reid_lit.data.feeding.loading import BatchLoader, Loader, ShotDataset, make_loader, mixed_loader, ordered_loader
from reid_lit.data.feeding.mixing import MixedSampler, MixedShots
from reid_lit.data.feeding.readable import MAX_PIXELS
from reid_lit.data.feeding.samplers import EpochSampler, ShuffleSampler, kind_of
from reid_lit.data.feeding.selection import over_labelled
from reid_lit.data.feeding.value_range import as_range, check_range, with_range
from reid_lit.data.passed_over import in_words
from reid_lit.data.problems import Report, check_text, stop
from reid_lit.data.splits import fingerprint, hold_out
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import InputError
from reid_lit.kinds import said, speak_of
from reid_lit.records import JUNK, Batch, MixedBatch, Split

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False, repr=False)
class ReidData(pl.LightningDataModule, DataContract, ABC):
    """Training, validation and test batches of a re-ID data set; a data set adds its own fields and ``read``.

    Args:
        root: The folder of the data set.
        transform: Size and augmentation of the images.
        sampler: Makes the training sampler from ``labels, batch_size, rank, world, seed``.
        loader: Batch sizes and workers.
        val_persons: Number of training persons held out for validation; 0, as in the papers, holds out none.
        split_seed: Seed of every choice of persons; runs that differ in ``seed`` share their split.
        seed: Seed of the order of images and of their augmentation.
        on_bad_image: ``stop`` at an image that cannot be read, or ``drop`` it.
        max_pixels: An image of more is taken for one that cannot be used: it is no crop of a person.
        value_range: Of images of 16 bit or of floats, the values shown as 0 and as 255, such as ``[0, 4095]`` for 12
            bit; None: the whole range of the file.
        fakes: A folder of images of the training persons in the styles of other cameras, which are learnt beside the
            real ones; a name alone is looked for beside the folder of the training images. None: there are none.
        fakes_batch_size: Of a training step, with ``fakes``: as many of them, in addition to ``loader.batch_size``.

    Attributes:
        split: The training and test lists (after ``setup``); ``split.train`` lacks the validation persons.
        validation: Query and gallery of the held-out persons; None without them.
        persons: Number of training classes.
        cameras: Number of cameras in all lists.
    """

    if TYPE_CHECKING:
        root: Path
    else:
        root: str | Path  # as in YAML; a Path after __post_init__
    transform: Transform
    sampler: Callable[..., EpochSampler]
    loader: Loader
    val_persons: int = 0
    split_seed: Annotated[int, Ge(0)] = 0
    seed: int = 0
    on_bad_image: str = "stop"
    max_pixels: int = MAX_PIXELS
    value_range: Sequence[int | float] | None = None
    fakes: str | Path | None = None
    fakes_batch_size: int = 46

    def __post_init__(self) -> None:
        super().__init__()
        if self.on_bad_image not in CHOICES:
            raise InputError(f"on_bad_image={self.on_bad_image!r}: unknown; choose one of {', '.join(CHOICES)}")
        if self.fakes_batch_size < 1:
            raise InputError(f"fakes_batch_size={self.fakes_batch_size}: holds no image; give 1 or more")
        self._range = as_range(self.value_range)
        self.root = Path(self.root).expanduser()
        self.split: Split = Split(name="", train=(), query=(), gallery=())
        self.validation: Split | None = None
        self.persons = self.cameras = 0
        self._labels: list[int] | None = None
        self._fakes = Fakes()
        self._train_sampler: EpochSampler | None = None
        self._shows_images = True
        self._train_cache: RamCache | None = None

    @property
    def batch_size(self) -> int:
        """Images of a training step, over all ranks."""
        return self.loader.batch_size + self._fakes_per_step

    @property
    def _fakes_per_step(self) -> int:
        return 0 if self.fakes is None else self.fakes_batch_size

    @property
    def has_fakes(self) -> bool:
        """Whether each training batch has real and generated images."""
        return self.fakes is not None

    @property
    def fakes_made_from(self) -> frozenset[str]:
        """Absolute paths of the images that the fakes' generators have learnt from, as far as their folder says."""
        return self._fakes.made_from

    @property
    def draws_by_person(self) -> bool:
        """Whether training batches are drawn by the persons of the images."""
        return kind_of(self.sampler).reads_labels

    @property
    def training_list(self) -> str:
        """A hash of the training list: equal for the same images of the same persons by the same cameras."""
        return self._fakes.mark(fingerprint(self.split.train))

    @property
    def domains(self) -> Int[Tensor, " images"] | None:
        """The number of the data set of each training image; None where they are of one (after ``setup``)."""
        return None

    def true_persons(self) -> tuple[int, ...]:
        """The person of each training image, a target's too: for agreement that is reported, never for training.

        No part of :class:`~reid_lit.models.training_data.TrainingData`: a model cannot ask for it.
        """
        return tuple(shot.person_id for shot in self.split.train)

    def tests(self) -> list["ReidData"]:
        """A view of this data set for each of its tests, which a Trainer runs one by one (after ``setup``)."""
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
            if self.fakes is not None and stage in (None, "fit"):
                self._mix_in(self.fakes)
            if stage == "fit":  # before a network is built
                self._check_trainable()
                self._sampler(rank=0, world=1)
                self._check_room()
        if self.trainer is not None and self.validation is None:
            self.trainer.limit_val_batches = 0  # else Lightning warns that the loader is empty

    def read_sound(self, on_bad_image: str) -> Split:
        """Read the lists and all images once; an image that cannot be read stops the run or is left out."""
        processes = self.loader.processes(1)
        split = self.listed()
        self._say_passed_over(split)
        if split.train or split.query:  # their names go into lists, logs and pages
            check_text((shot.path for shot in split.shots), self.root, stop)
        split = sound(split, root=self.root, on_bad_image=on_bad_image, max_pixels=self.max_pixels, processes=processes)
        check_range([shot.path for shot in split.shots], self._range)
        return split

    def listed(self, report: Report = stop) -> Split:
        """What :meth:`read` gives, with the range of the values in every shot: for all that shows images."""
        split = self.read(report)
        speak_of(split.kind)
        return with_range(split, self._range)

    @rank_zero_only
    def _say_passed_over(self, split: Split) -> None:
        passed = self.passed_over(split) if split.shots else []
        if passed:
            level = logging.WARNING if any(each.doubtful for each in passed) else logging.INFO
            logger.log(level, "%s", in_words(split.name, passed))

    def _read_once(self) -> None:
        split = self.read_sound(self.on_bad_image)
        self.split, self.validation = hold_out(split, self.val_persons, seed=self.split_seed)
        classes = {person: label for label, person in enumerate(self.split.persons)}
        self._labels = [classes.get(shot.person_id, JUNK) for shot in self.split.train]
        self.persons = len(classes)
        self.cameras = 1 + max(shot.camera_id for shot in self.split.shots)
        rank_zero_only(logger.info)("%s", describe(self.split, self.validation))

    def _mix_in(self, fakes: str | Path) -> None:
        """Put the generated images of the training persons behind the real ones in the training list."""
        real, held = self.split.train, self.validation
        aside = (*held.query, *held.gallery) if held is not None else ()
        self._fakes = read_fakes(fakes, real, aside=aside)
        split = Split(name=f"{self.split.name}, {self._fakes.folder}", train=self._fakes.shots, query=(), gallery=())
        split = sound(
            split,
            root=self._fakes.folder,
            on_bad_image=self.on_bad_image,
            max_pixels=self.max_pixels,
            processes=self.loader.processes(1),
        )
        classes = {shot.person_id: label for shot, label in zip(real, self._labels or [], strict=True)}
        self._labels = [*(self._labels or []), *(classes[shot.person_id] for shot in split.train)]
        self.split = dataclasses.replace(self.split, train=real + split.train)
        self._fakes = dataclasses.replace(self._fakes, shots=split.train)
        rank_zero_only(logger.info)("%s: %s", self.split.name, said(self._fakes.in_words(self.fakes_batch_size)))

    def _check_trainable(self) -> None:
        if not self.split.train:
            raise InputError(
                f"{self.split.name} at {self.root.resolve()} has no image to train on; give it training images, or"
                f" name it in test_on of a run on other data"
            )

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"training_list": self.training_list, "seed": self.seed}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict != self.state_dict():
            raise InputError(
                f"the checkpoint was trained with seed={state_dict['seed']} on another training list than the"
                f" {len(self.split.train)} images of {self.root.resolve()} with seed={self.seed}; resume with the same"
                f" data set and seed, or start a new run"
            )

    @override
    def train_dataloader(self) -> BatchLoader:
        self.setup()
        rank, world = self._place()
        sampler = self._train_sampler = self._sampler(rank, world)
        size = sampler.share
        workers = self._workers(batch_bytes(size, self.transform.size))
        images = self._train_images(pixels=self._shows_images)
        shown = MixedShots(images, real=sampler.real.share) if isinstance(sampler, MixedSampler) else images
        return make_loader(shown, sampler, batch_size=size, workers=workers, train=True)

    def normalised_by(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Say by which mean and standard deviation, for red, green, blue, the model normalises images."""
        self.transform.normalised_by(mean, std)

    def relabel(self, labels: Sequence[int]) -> None:
        """Train on other classes than the persons, from the next training loader on.

        Args:
            labels: The class of each training image; -1 leaves the image out.
        """
        self._labels = list(labels)

    def leave_out_images(self) -> None:
        """Give training batches without pixels, from the next training loader on: no image is decoded or changed."""
        self._shows_images = False

    def plain_dataloader(self) -> BatchLoader:
        """The training images in their order, without augmentation, each on exactly one rank; uint8."""
        self.setup()
        rank, world = self._place()
        size = self.loader.test_batch_size
        workers = self._workers(batch_bytes(size, self.transform.size))
        return ordered_loader(self._train_images(), size, workers=workers, rank=rank, world=world)

    def mixed_dataloader(self, batch_size: int) -> BatchLoader:
        """The training images without augmentation, each on exactly one rank, batches spread over the list; uint8.

        Args:
            batch_size: Images of a batch on one rank, or more by what does not fill another one.
        """
        self.setup()
        rank, world = self._place()
        workers = self._workers(batch_bytes(2 * batch_size, self.transform.size))  # or more, by what is left over
        return mixed_loader(self._train_images(), batch_size=batch_size, workers=workers, rank=rank, world=world)

    def as_tested(self, image: Tensor) -> Tensor:
        """The images that a model gets in a test: float32 in [0, 1]."""
        return self.transform.testing(image)

    def _train_images(self, *, pixels: bool = True) -> ShotDataset:
        cache = self._cache_of_training()
        return ShotDataset(self.split.train, self._labels or [], transform=self.transform, cache=cache, pixels=pixels)

    def _cache_of_training(self) -> RamCache | None:
        if self._train_cache is None:
            self._train_cache = self._cache(len(self.split.train), self.transform.size)
        return self._train_cache

    def _sampler(self, rank: int, world: int) -> EpochSampler:
        fakes, labels = len(self._fakes.shots), self._labels or []
        real = self._real_sampler(labels[: len(labels) - fakes], rank, world)
        if self.fakes is None:
            return real
        return MixedSampler(real=real, offset=len(labels) - fakes, fakes=fakes, batch_size=self.fakes_batch_size)

    def _real_sampler(self, labels: list[int], rank: int, world: int) -> EpochSampler:
        size = self.loader.batch_size
        if set(labels) == {JUNK}:  # nobody is known: what is adapted draws for itself, or labels them
            return ShuffleSampler(labels=labels, batch_size=size, rank=rank, world=world, seed=self.seed)
        make = partial(self.sampler, batch_size=size, rank=rank, world=world, seed=self.seed)
        return over_labelled(make, labels, [shot.camera_id for shot in self.split.train[: len(labels)]])

    @override
    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        self.setup()
        return [] if self.validation is None else self._test_loader(self.validation, cached=True)

    @override
    def test_dataloader(self) -> BatchLoader:
        self.setup()
        return self._test_loader(self.split)

    @override
    def predict_dataloader(self) -> BatchLoader:
        return self.test_dataloader()

    def _test_loader(self, split: Split, *, cached: bool = False) -> BatchLoader:
        rank, world = self._place()
        shots = split.query + split.gallery
        cache = self._cache(len(shots), self.transform.test_size) if cached else None
        persons = [shot.person_id for shot in shots]
        dataset = ShotDataset(shots, persons, transform=self.transform, cache=cache, testing=True)
        workers = self._workers(self._test_bytes(len(shots)))
        return ordered_loader(dataset, self.loader.test_batch_size, workers=workers, rank=rank, world=world)

    def _test_bytes(self, images: int) -> int:
        """Bytes of a batch of a test of so many images."""
        return batch_bytes(min(self.loader.test_batch_size, images), self.transform.test_size)

    def _check_room(self) -> None:
        """Raise InputError, before a network is built, unless cache and batches on their way fit into memory."""
        held = () if self.validation is None else self.validation.query + self.validation.gallery
        cached = 0
        if self.loader.cache == "ram":
            images, size = len(self.split.train) + len(held), self.transform.test_size if held else self.transform.size
            check_room(images, size)
            cached = needed_bytes(images, size)
        if self.loader.workers != "auto":
            ranks = self._ranks_here()
            train = batch_bytes((self.loader.batch_size + self._fakes_per_step) // ranks, self.transform.size)
            test = self._test_bytes(max(len(held), len(self.split.query) + len(self.split.gallery)))
            batches = {"a batch of training": train, "one of a test": test}
            check_shared(self.loader.processes(ranks), batches, ranks=ranks, taken=cached)

    def _cache(self, images: int, size: tuple[int, int]) -> RamCache | None:
        if self.loader.cache == "none":
            return None
        return shared_cache(images=images, size=size, trainer=self.trainer)

    @override
    def on_after_batch_transfer(self, batch: Batch | MixedBatch, dataloader_idx: int) -> Batch | MixedBatch:
        if isinstance(batch, MixedBatch):
            return MixedBatch(*(self._prepared(part) for part in batch))
        return self._prepared(batch)

    def _prepared(self, batch: Batch) -> Batch:
        if not batch.image.numel():  # left out
            return batch
        if self.trainer is None or not self.trainer.training or self._train_sampler is None:
            return batch._replace(image=self.transform.testing(batch.image))
        noise = ImageNoise(batch.index, seed=self.seed, epoch=self._train_sampler.epoch)
        return batch._replace(image=self.transform.training(batch.image, noise))

    def _workers(self, batch: int) -> int:
        """Workers of this rank, which shares cores and memory with the other ranks of its machine.

        Args:
            batch: Bytes of a batch.
        """
        ranks = self._ranks_here()
        asked, is_chosen = self.loader.processes(ranks), self.loader.workers != "auto"
        return fitting_workers(asked, batch, ranks=ranks, is_chosen=is_chosen)

    def _ranks_here(self) -> int:
        return 1 if self.trainer is None else self.trainer.world_size // self.trainer.num_nodes

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
