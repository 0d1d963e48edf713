"""Batches with a fixed share of each data set, when several are trained on together."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from typing_extensions import override

from reid_lit.data.feeding.samplers import EpochSampler, by_class, check_complete
from reid_lit.data.feeding.selection import over_labelled
from reid_lit.errors import InputError
from reid_lit.wording import counted


class SharesSampler(EpochSampler):
    """Every batch holds images of each data set in fixed shares, whatever the number of its images.

    A set gives the part of a batch that its own sampler draws, of P persons × K images its share of the P. An epoch has
    as many batches as the same sampler draws from the images of all sets together, so that a training with shares takes
    as many steps as one without; a set whose images are used up is drawn anew.

    Source: SetReWeightSampler of FastReID's public code: a fixed number of persons of each set in a batch.

    Args:
        sampler: Makes the sampler of one set from ``labels, batch_size, rank, world, seed``; one with ``persons`` gets
            the persons of its part.
        shares: Of each set, relative to each other.
        sets: The number of each training image's set.
        labels: The class of each training image; -1 leaves the image out.
        cameras: The camera of each.
        batch_size: Images of a global batch.
        rank: This process, 0 … world-1.
        world: The number of processes.
        seed: Seed of the draws.

    Raises:
        ValueError: the shares are not one of each set above 0, a batch cannot be cut into them, or the sampler of a set
            refuses its part; the message names the set.
    """

    def __init__(
        self,
        *,
        sampler: Callable[..., EpochSampler],
        shares: Sequence[int],
        sets: Sequence[int],
        labels: Sequence[int],
        cameras: Sequence[int],
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, rank=rank, world=world, seed=seed)
        self.positions = by_class(sets)
        if len(shares) != len(self.positions) or min(shares) < 1:
            raise InputError(
                f"shares={list(shares)}: give a whole number above 0 for each of the"
                f" {counted(len(self.positions), 'member')} with training images"
            )
        persons, place = argument_of(sampler, "persons"), {"rank": rank, "world": world, "seed": seed}
        whole = {"batch_size": batch_size} | ({} if persons is None else {"persons": persons})
        parts = [{name: _cut(name, size, share, shares) for name, size in whole.items()} for share in shares]
        self.samplers: dict[int, EpochSampler] = {}
        for (number, positions), part in zip(self.positions.items(), parts, strict=True):
            try:
                self.samplers[number] = over_labelled(
                    partial(sampler, **part, **place),
                    [labels[position] for position in positions],
                    [cameras[position] for position in positions],
                )
                check_complete(self.samplers[number])
            except InputError as error:
                raise InputError(f"{error}; this is for the part of member {number} in a batch") from error
        together = over_labelled(partial(sampler, batch_size=batch_size, **place), labels, cameras)
        self._batches = together.batches()

    @override
    def batches(self) -> int:
        return self._batches

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        parts = [self._drawn(number, epoch) for number in self.samplers]
        return [
            [position for rank in range(self.world) for part in of_batch for position in self._dealt(part, rank)]
            for of_batch in zip(*parts, strict=True)
        ]

    def _drawn(self, number: int, epoch: int) -> list[list[int]]:
        """The parts of all batches of an epoch that a set gives."""
        sampler, positions = self.samplers[number], self.positions[number]
        rounds = -(-self._batches // sampler.batches())
        drawn = [batch for turn in range(rounds) for batch in sampler.draw(epoch * rounds + turn)]
        return [[positions[place] for place in batch] for batch in drawn[: self._batches]]

    def _dealt(self, part: Sequence[int], rank: int) -> Sequence[int]:
        share = len(part) // self.world
        return part[rank * share : (rank + 1) * share]


def _cut(name: str, size: int, share: int, shares: Sequence[int]) -> int:
    """The part of a batch for one share."""
    part, left = divmod(size * share, sum(shares))
    if left:
        raise InputError(
            f"{name}={size}: cannot be cut by shares={list(shares)}; set it to a multiple of {sum(shares)}, or other"
            " shares"
        )
    return part


def argument_of(sampler: Callable[..., Any], name: str) -> Any:
    """The value that a partial gives an argument; None where it gives none.

    >>> argument_of(partial(partial(dict, persons=4), images=2), "persons")
    4
    """
    made: Any = sampler
    while isinstance(made, partial):  # a partial of Hydra's may be within another one
        if name in made.keywords:
            return made.keywords[name]
        made = made.func
    return None
