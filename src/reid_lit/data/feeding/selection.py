"""Training on the images that have a label."""

from collections.abc import Callable, Sequence

from typing_extensions import override

from reid_lit.data.feeding.samplers import EpochSampler, kind_of
from reid_lit.records import JUNK


class SelectionSampler(EpochSampler):
    """Another sampler, restricted to images with a label.

    Args:
        sampler: Makes the other sampler from ``labels``.
        labels: The class of each training image; -1 leaves the image out.
        cameras: The camera of each, for a sampler that reads them; None for another one.

    Raises:
        ValueError: the other sampler cannot draw from the images that are left.
    """

    def __init__(
        self, *, sampler: Callable[..., EpochSampler], labels: Sequence[int], cameras: Sequence[int] | None = None
    ) -> None:
        self.positions = [position for position, label in enumerate(labels) if label != JUNK]
        of_each = {"labels": labels} | ({} if cameras is None else {"cameras": cameras})
        self.among = sampler(**{name: [of[position] for position in self.positions] for name, of in of_each.items()})
        size, rank, world = self.among.share * self.among.world, self.among.rank, self.among.world
        super().__init__(batch_size=size, rank=rank, world=world, seed=self.among.seed)

    @override
    def batches(self) -> int:
        return self.among.batches()

    @override
    def last_share(self) -> int:
        return self.among.last_share()

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        return [[self.positions[k] for k in batch] for batch in self.among.draw(epoch)]


def over_labelled(sampler: Callable[..., EpochSampler], labels: Sequence[int], cameras: Sequence[int]) -> EpochSampler:
    """A sampler of the images that have a label.

    Args:
        sampler: Makes it from ``labels``, and from ``cameras`` if it reads them.
        labels: The class of each training image; -1 leaves the image out.
        cameras: The camera of each.
    """
    read = cameras if kind_of(sampler).reads_cameras else None
    if JUNK in labels:
        return SelectionSampler(sampler=sampler, labels=labels, cameras=read)
    return sampler(labels=labels) if read is None else sampler(labels=labels, cameras=read)
