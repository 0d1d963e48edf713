"""P × K batches in which every person comes as often as any other."""

import random
from collections.abc import Sequence

from typing_extensions import override

from reid_lit.data.feeding.samplers import EpochSampler, by_person, check_images, check_persons


class UniformPersonSampler(EpochSampler):
    """P persons × K images a global batch, dealt over the ranks by person; every batch is drawn anew.

    Each set of P persons is equally likely in each batch, however many images they have. For N training images an epoch
    has N / (P·K) batches, rounded down and at least one; it leaves some images out and has others more than once.

    Source: Hermans et al., "In Defense of the Triplet Loss", 2017, section 2 (P persons and K images, both at random);
    Feng et al., "Metric Embedding Autoencoders for Unsupervised Cross-Dataset Transfer Learning", ICANN 2018, sections
    3.1 and 3.3 (the same, and the epoch).

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
        ValueError: P·K is not the batch size, P is more than there are persons or cannot be dealt over the ranks by two
            or more, or K is more than any person has.
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
        self.positions = by_person(labels)
        check_persons(persons, images, len(self.positions), batch_size, world)
        if not repeat:
            check_images(images, max(map(len, self.positions.values())))
        super().__init__(batch_size=batch_size, rank=rank, world=world, seed=seed)
        self.persons = persons
        self.images = images
        self._batches = max(1, len(labels) // batch_size)

    @override
    def batches(self) -> int:
        return self._batches

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        source = random.Random(f"uniform persons {self.seed} {epoch}")
        return [self._batch(source) for _ in range(self._batches)]

    def _batch(self, source: random.Random) -> list[int]:
        chosen = source.sample(list(self.positions), self.persons)
        return [position for person in chosen for position in draw_images(self.positions[person], self.images, source)]


def draw_images(positions: Sequence[int], images: int, source: random.Random) -> list[int]:
    """``images`` of one person's positions, drawn at random; where they are fewer, out of equal copies of them all.

    >>> sorted(draw_images([5, 6], 4, random.Random(0)))
    [5, 5, 6, 6]
    """
    return source.sample([*positions] * -(-images // len(positions)), images)
