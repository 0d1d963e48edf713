"""Epochs that leave no image out."""

from typing_extensions import override

from reid_lit.data.feeding.samplers import ShuffleSampler


class WholeShuffleSampler(ShuffleSampler):
    """Every image once an epoch, in a new order, the incomplete last batch too.

    A last batch of less than two images a rank is left out, as batch norms need two. All ranks have as many of its
    images, so that the mean of their gradients is that of the batch: up to world - 1 images are left out.

    Source: Fan et al., "Unsupervised Person Re-identification: Clustering and Fine-tuning", TOMM 2018 (public code).
    """

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
