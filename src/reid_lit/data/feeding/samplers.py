"""Which images a batch holds: global batches, drawn once an epoch and dealt over the ranks.

Each draw depends on (seed, epoch) only, so a resumed run repeats it. The number of ranks does not change a global
batch: global batch k is the k-th batch of rank 0, then that of rank 1, and so on.
"""

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

from torch.utils.data import Sampler
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.wording import counted


class EpochSampler(Sampler[int], ABC):
    """Deals global batches over ranks; a subclass draws them.

    Args:
        batch_size: Images of a global batch.
        rank: This process, 0 … world-1.
        world: The number of processes.
        seed: Seed of the draws.

    Raises:
        ValueError: the ranks cannot have equal shares of a batch.
    """

    reads_labels: ClassVar[bool] = False
    """Whether the draw depends on the classes of the images, not only on their number."""

    reads_cameras: ClassVar[bool] = False
    """Whether the draw depends on the cameras of the images, which are given as ``cameras``."""

    def __init__(self, *, batch_size: int, rank: int, world: int, seed: int) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size}: holds no image; set it to 1 or more")
        if batch_size % world:
            raise InputError(
                f"batch_size={batch_size}: cannot be dealt evenly over {world} ranks; set it to a multiple of {world}"
            )
        self.rank = rank
        self.world = world
        self.share = batch_size // world
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the draw; Lightning calls this before each epoch."""
        self.epoch = epoch

    @abstractmethod
    def draw(self, epoch: int) -> list[list[int]]:
        """The global batches of an epoch, each a list of positions."""

    @abstractmethod
    def batches(self) -> int:
        """The number of global batches, the same in each epoch."""

    def last_share(self) -> int:
        """A rank's images of the last batch of an epoch: as of any other, unless a sampler keeps an incomplete one."""
        return self.share

    def __len__(self) -> int:
        return (self.batches() - 1) * self.share + self.last_share()

    @override
    def __iter__(self) -> Iterator[int]:
        for batch in self.draw(self.epoch):
            share, left = divmod(len(batch), self.world)
            if left:
                raise InputError(
                    f"{type(self).__name__} drew {counted(len(batch), 'image')}, which cannot be dealt evenly over"
                    f" {self.world} ranks; let it draw a multiple of {self.world}"
                )
            yield from batch[self.rank * share : (self.rank + 1) * share]


def kind_of(sampler: Callable[..., Any]) -> type[EpochSampler]:
    """The kind of sampler that a partial makes; :class:`EpochSampler` where that cannot be seen."""
    kind: Any = sampler
    while isinstance(kind, partial):  # a partial of Hydra's may be within another one
        kind = kind.func
    return kind if isinstance(kind, type) and issubclass(kind, EpochSampler) else EpochSampler


def check_complete(sampler: EpochSampler) -> None:
    """Raise InputError where the last batch of an epoch is incomplete, which some uses of batches cannot have."""
    if sampler.last_share() != sampler.share:
        raise InputError(
            "this sampler keeps the incomplete last batch, which batches of two domains or of one member each cannot"
            " have; set sampler=shuffle"
        )


class ShuffleSampler(EpochSampler):
    """Every image once an epoch, in a new order; the incomplete last batch is left out.

    Args:
        labels: The class of each training image; only their number matters here.
        batch_size: Images of a global batch.
        rank: This process, 0 … world-1.
        world: The number of processes.
        seed: Seed of the draws.

    Raises:
        ValueError: there are fewer images than a batch holds, or the ranks cannot have equal shares.
    """

    def __init__(self, *, labels: Sequence[int], batch_size: int, rank: int = 0, world: int = 1, seed: int = 0) -> None:
        super().__init__(batch_size=batch_size, rank=rank, world=world, seed=seed)
        if len(labels) < batch_size:
            raise InputError(
                f"batch_size={batch_size}: {counted(len(labels), 'training image does', 'training images do')} not fill"
                f" one batch; set it to {len(labels)} or less"
            )
        self.images = len(labels)
        self.batch_size = batch_size

    @override
    def batches(self) -> int:
        return self.images // self.batch_size

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        order = list(range(self.images))
        random.Random(f"shuffle {self.seed} {epoch}").shuffle(order)
        return [order[k * self.batch_size : (k + 1) * self.batch_size] for k in range(self.batches())]


class PersonSampler(EpochSampler):
    """P persons × K images a global batch, dealt over the ranks by person; a person with many images comes often.

    Every epoch has as many batches as the draw of epoch 0: Lightning fixes the length when training starts. A shorter
    later draw is followed by another one; a longer one is cut (one of Market-1501's 183 batches).

    Source: Hermans et al., "In Defense of the Triplet Loss", 2017 (P × K batches); the epoch is that of Luo et al.,
    "Bag of Tricks and a Strong Baseline for Deep Person Re-identification", CVPR Workshops 2019 (public code).

    Args:
        persons: P, persons of a global batch.
        images: K, images of each.
        repeat: Whether K may exceed what every person has; each batch shows the same images again then.
        labels: The class of each training image.
        batch_size: Images of a global batch, P·K.
        rank: This process, 0 … world-1.
        world: The number of processes.
        seed: Seed of the draws.

    Raises:
        ValueError: P·K is not the batch size, P is more than there are persons or cannot be dealt over the ranks, or
            is 1, or K is more than any person has.
    """

    reads_labels = True

    def __init__(
        self,
        *,
        persons: int,
        images: int,
        repeat: bool,
        labels: Sequence[int],
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        seed: int = 0,
    ) -> None:
        self.positions = by_class(labels)
        _check_persons(persons, images, len(self.positions), batch_size, world)
        if not repeat:
            _check_images(images, max(map(len, self.positions.values())))
        super().__init__(batch_size=batch_size, rank=rank, world=world, seed=seed)
        self.persons = persons
        self.images = images
        self._batches = self._count(len(labels))

    def _count(self, images: int) -> int:  # noqa: ARG002 - for another draw
        """The batches of an epoch, for this many training images."""
        return len(self._round(self._source(0)))

    @override
    def batches(self) -> int:
        return self._batches

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        source = self._source(epoch)
        drawn = self._round(source)
        while len(drawn) < self._batches:  # ends: a round holds at least one batch, as P ≤ persons
            drawn += self._round(source)
        return drawn[: self._batches]

    def _source(self, epoch: int) -> random.Random:
        return random.Random(f"person {self.seed} {epoch}")

    def _round(self, source: random.Random) -> list[list[int]]:
        chunks = {person: draw_chunks(positions, self.images, source) for person, positions in self.positions.items()}
        persons = list(chunks)
        batches = []
        while len(persons) >= self.persons:
            chosen = source.sample(persons, self.persons)
            batches.append([position for person in chosen for position in chunks[person].pop()])
            persons = [person for person in persons if chunks[person]]
        return batches


def by_class(labels: Sequence[int]) -> dict[int, list[int]]:
    """The positions of each class's images, the classes in order."""
    positions: dict[int, list[int]] = defaultdict(list)
    for position, label in enumerate(labels):
        positions[label].append(position)
    return dict(sorted(positions.items()))


def draw_chunks(positions: Sequence[int], images: int, source: random.Random) -> list[list[int]]:
    """One person's positions in a random order, cut into chunks of ``images``; the remainder is left out.

    A person with fewer than ``images`` gives one chunk, drawn with replacement.
    """
    if len(positions) < images:
        return [source.choices(positions, k=images)]
    order = source.sample(positions, len(positions))
    return [order[start : start + images] for start in range(0, len(order) - images + 1, images)]


def _check_persons(persons: int, images: int, available: int, batch_size: int, world: int) -> None:
    """Raise InputError unless batches of ``persons`` × ``images`` can be drawn and dealt over the ranks."""
    for name, number in (("persons", persons), ("images", images)):
        if number < 1:
            raise InputError(f"{name}={number}: persons × images is no batch; set both to 1 or more")
    if persons > available:
        raise InputError(
            f"persons={persons}: more than the {counted(available, 'training person')}; set it to {available} or less,"
            f" and loader.batch_size to {images} times that"
        )
    if persons * images != batch_size:
        raise InputError(
            f"batch_size={batch_size}: not persons × images = {persons} × {images} of the sampler;"
            f" set it to {persons * images}"
        )
    if persons % world:
        raise InputError(
            f"persons={persons}: cannot be dealt evenly over {world} ranks; set it to a multiple of {world}"
        )
    if persons < 2:
        raise InputError(f"persons={persons}: a batch holds one person and so no negative; set it to 2 or more")


def _check_images(images: int, most: int) -> None:
    """Raise InputError where no person has ``images``."""
    if images > most:
        raise InputError(
            f"images={images}: no training person has more than {most}, so every batch would show the same images"
            f" again; set it to {most} or less, or repeat=true to allow that"
        )


class BlockSampler(Sampler[int]):
    """Deals whole test batches over the ranks in turn: each position is on one rank, batches are those of one process.

    Args:
        count: The number of images.
        batch_size: Images of a batch.
        rank: This process, 0 … world-1.
        world: The number of processes.
    """

    def __init__(self, *, count: int, batch_size: int, rank: int = 0, world: int = 1) -> None:
        starts = range(rank * batch_size, count, world * batch_size)
        self.positions = [position for start in starts for position in range(start, min(start + batch_size, count))]

    def __len__(self) -> int:
        return len(self.positions)

    @override
    def __iter__(self) -> Iterator[int]:
        return iter(self.positions)
