"""Epochs that leave no image out."""

import logging
from collections.abc import Sequence

from typing_extensions import override

from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.progress import first_rank
from reid_lit.wording import counted

logger = logging.getLogger(__name__)


class WholeShuffleSampler(ShuffleSampler):
    """Every image once an epoch, in a new order, the incomplete last batch too.

    A last batch of less than two images a rank is left out, as batch norms need two. All ranks have as many of its
    images, so that the mean of their gradients is that of the batch: up to world - 1 images are left out, and the log
    says so.

    Source: Fan et al., "Unsupervised Person Re-identification: Clustering and Fine-tuning", TOMM 2018 (public code).
    """

    def __init__(self, *, labels: Sequence[int], batch_size: int, rank: int = 0, world: int = 1, seed: int = 0) -> None:
        super().__init__(labels=labels, batch_size=batch_size, rank=rank, world=world, seed=seed)
        lost = self.images % batch_size - (self.last_share() * world if self.last_share() != self.share else 0)
        if lost and world > 1 and first_rank():
            logger.warning(
                "each epoch leaves out %s of its last batch, which %d ranks cannot share evenly by two or more",
                counted(lost, "image"),
                world,
            )

    @override
    def last_share(self) -> int:
        left = self.images % self.batch_size // self.world
        return left if left > 1 else self.share

    @override
    def batches(self) -> int:
        return super().batches() + (self.last_share() != self.share)

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        *others, last = super().draw(epoch)
        return [*others, last[: self.last_share() * self.world]]
