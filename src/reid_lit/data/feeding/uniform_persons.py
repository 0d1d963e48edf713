"""P × K batches in which every person comes as often as any other."""

import random
from collections.abc import Sequence

from typing_extensions import override

from reid_lit.data.feeding.samplers import PersonSampler


class UniformPersonSampler(PersonSampler):
    """A :class:`PersonSampler` by which each set of P persons is equally likely in each batch, which is drawn anew.

    A person comes as often as any other, however many images they have. For N training images an epoch has N / (P·K)
    batches, rounded down and at least one; it leaves some images out and has others more than once.

    Source: Hermans et al., "In Defense of the Triplet Loss", 2017, section 2 (P persons and K images, both at random);
    Feng et al., "Metric Embedding Autoencoders for Unsupervised Cross-Dataset Transfer Learning", ICANN 2018, sections
    3.1 and 3.3 (the same, and the epoch).
    """

    @override
    def _count(self, images: int) -> int:
        return max(1, images // (self.persons * self.images))

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        source = random.Random(f"uniform persons {self.seed} {epoch}")
        return [self._batch(source) for _ in range(self.batches())]

    def _batch(self, source: random.Random) -> list[int]:
        chosen = source.sample(list(self.positions), self.persons)
        return [position for person in chosen for position in draw_images(self.positions[person], self.images, source)]


def draw_images(positions: Sequence[int], images: int, source: random.Random) -> list[int]:
    """``images`` of one person's positions, drawn at random; where they are fewer, out of equal copies of them all.

    >>> sorted(draw_images([5, 6], 4, random.Random(0)))
    [5, 5, 6, 6]
    """
    return source.sample([*positions] * -(-images // len(positions)), images)
