"""Batches of one data set each, where several are trained on as one."""

import random
from collections.abc import Callable, Sequence

from typing_extensions import override

from reid_lit.data.feeding.samplers import EpochSampler
from reid_lit.errors import InputError


class SwitchingSampler(EpochSampler):
    """Deals the batches that each data set would give alone, those of all sets in one random order.

    So a set's share of the batches is that of its images, and each of its images comes as often as alone.

    Args:
        sampler: Makes the sampler of one set from ``labels, batch_size, rank, world, seed``.
        sets: Which set each training image is of.
        labels: The class of each training image.
        batch_size: Images of a global batch.
        rank: This process, 0 … world-1.
        world: The number of processes.
        seed: Seed of the draws.

    Source: Feng et al., "Metric Embedding Autoencoders for Unsupervised Cross-Dataset Transfer Learning", ICANN 2018,
        section 4: batches of one data set each; that sets share them by size is ours, the paper is silent.

    Raises:
        ValueError: the sampler of a set refuses it; the message names the set.
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
        self.positions: dict[int, list[int]] = {number: [] for number in sorted(set(sets))}
        for position, number in enumerate(sets):
            self.positions[number].append(position)
        self.samplers: dict[int, EpochSampler] = {}
        for number, own in self.positions.items():
            own_labels = [labels[position] for position in own]
            try:
                self.samplers[number] = sampler(
                    labels=own_labels, batch_size=batch_size, rank=rank, world=world, seed=seed
                )
            except InputError as error:
                raise InputError(f"{error}; so it is for member {number}, whose batches are its own") from error

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
