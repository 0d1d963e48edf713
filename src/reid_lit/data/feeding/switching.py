"""Batches of one data set each, when several are trained on together."""

import random
from collections.abc import Callable, Sequence

from typing_extensions import override

from reid_lit.data.feeding.samplers import EpochSampler, by_class, check_complete
from reid_lit.errors import InputError


class SwitchingSampler(EpochSampler):
    """Mixes the batches of all data sets in one random order; each set gives the batches that it would give alone.

    So a set's share of the batches is its share of the images, and an image comes as often as it would alone.

    Args:
        sampler: Makes the sampler of one set from ``labels, batch_size, rank, world, seed``.
        sets: The number of each training image's set.
        labels: The class of each training image.
        batch_size: Images of a global batch.
        rank: This process, 0 … world-1.
        world: The number of processes.
        seed: Seed of the draws.

    Source: Feng et al., "Metric Embedding Autoencoders for Unsupervised Cross-Dataset Transfer Learning", ICANN 2018,
        section 4: batches of one data set each. The paper does not say how sets share them; here they do by size.

    Raises:
        ValueError: the sampler of a set refuses it, or keeps an incomplete batch; the message names the set.
    """

    def __init__(
        self,
        *,
        sampler: Callable[..., EpochSampler],
        sets: Sequence[int],
        labels: Sequence[int],
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, rank=rank, world=world, seed=seed)
        self.positions = by_class(sets)
        self.samplers: dict[int, EpochSampler] = {}
        for number, positions in self.positions.items():
            set_labels = [labels[position] for position in positions]
            try:
                self.samplers[number] = sampler(
                    labels=set_labels, batch_size=batch_size, rank=rank, world=world, seed=seed
                )
                check_complete(self.samplers[number])
            except InputError as error:
                raise InputError(
                    f"{error}; this is for member {number} alone, as each batch is of one member"
                ) from error

    @override
    def batches(self) -> int:
        return sum(sampler.batches() for sampler in self.samplers.values())

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        drawn = [
            [self.positions[number][position] for position in batch]
            for number, sampler in self.samplers.items()
            for batch in sampler.draw(epoch)
        ]
        random.Random(f"switching {self.seed} {epoch}").shuffle(drawn)
        return drawn
