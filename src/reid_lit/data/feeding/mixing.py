"""Batches of real and of generated images, side by side."""

from collections.abc import Sequence

from torch.utils.data import Dataset
from typing_extensions import override

from reid_lit.data.feeding.loading import Item, ShotDataset
from reid_lit.data.feeding.samplers import EpochSampler, ShuffleSampler, check_complete
from reid_lit.errors import InputError
from reid_lit.records import Batch, MixedBatch
from reid_lit.wording import counted


class MixedSampler(EpochSampler):
    """Each rank's share of a batch of real images, then its share of a batch of generated ones.

    An epoch is an epoch of the real images. The generated ones go on from epoch to epoch: each is shown once before any
    is shown again, in a new order each time; an incomplete last batch is left out.

    Source: the public code of Zhong et al., "Camera Style Adaptation for Person Re-identification", CVPR 2018
        (``CamStyleTrainer``: a second loader, begun anew when it ends).

    Args:
        real: Draws the batches of real images.
        offset: The position of the first generated image.
        fakes: How many generated images there are; they lie behind each other.
        batch_size: Of them, in a *global* batch.

    Raises:
        ValueError: the generated images fill no batch, their batch cannot be dealt over the ranks, or the real images'
            sampler keeps an incomplete batch.
    """

    def __init__(self, *, real: EpochSampler, offset: int, fakes: int, batch_size: int) -> None:
        check_complete(real)
        if fakes < batch_size or batch_size % real.world:
            raise InputError(
                f"fakes_batch_size={batch_size}: it has to be a multiple of the {counted(real.world, 'rank')} and at"
                f" most the {counted(fakes, 'generated image')}"
            )
        super().__init__(
            batch_size=real.share * real.world + batch_size, rank=real.rank, world=real.world, seed=real.seed
        )
        self.real = real
        self.fake = ShuffleSampler(
            labels=range(offset, offset + fakes),
            batch_size=batch_size,
            rank=real.rank,
            world=real.world,
            seed=real.seed,
        )
        self.offset = offset

    @override
    def batches(self) -> int:
        return self.real.batches()

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        first, number = epoch * self.batches(), self.batches()
        rounds = range(first // self.fake.batches(), -(-(first + number) // self.fake.batches()))
        fakes = [batch for each in rounds for batch in self.fake.draw(each)]
        skipped = first - rounds.start * self.fake.batches()
        return [self._dealt(*pair) for pair in zip(self.real.draw(epoch), fakes[skipped:], strict=False)]

    def _dealt(self, real: Sequence[int], fake: Sequence[int]) -> list[int]:
        dealt: list[int] = []
        for rank in range(self.world):
            dealt += real[rank * self.real.share : (rank + 1) * self.real.share]
            dealt += [self.offset + k for k in fake[rank * self.fake.share : (rank + 1) * self.fake.share]]
        return dealt


class MixedShots(Dataset[Item]):
    """A training list whose batches are given as a :class:`~reid_lit.records.MixedBatch`.

    Args:
        images: The list, the generated images behind the real ones.
        real: How many positions of a rank's batch are real; they come first.
    """

    def __init__(self, images: ShotDataset, *, real: int) -> None:
        self.images = images
        self.real = real

    def __len__(self) -> int:
        return len(self.images)

    @override
    def __getitem__(self, index: int) -> Item:
        return self.images[index]

    def __getitems__(self, index: list[int]) -> MixedBatch:
        """A whole batch of both."""
        batch = self.images.__getitems__(index)
        return MixedBatch(Batch(*(part[: self.real] for part in batch)), Batch(*(part[self.real :] for part in batch)))
