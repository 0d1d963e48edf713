"""The pairs of a labelled set of images: all of the same person, and of the others what a calibration needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from scipy.sparse import csr_array
from torch import Tensor

from reid_lit.calibration.labelled import Labelled
from reid_lit.errors import InputError
from reid_lit.progress import Progress, untold

BINS = 8192
"""Bins of scores over [-1, 1]; one is 0.00024 wide."""
FOLDS = 5
"""Groups of persons, each of which is left out once."""
DRAWN = 500_000
"""Pairs of different persons that are drawn, where there are more, for what lies far from the highest scores."""
KEPT = 4
"""So many times the pairs above a threshold are kept: draws of persons move the share above it by less."""

_BLOCK = 1024
_SEED = 0


class Scored(NamedTuple):
    """Pairs of two persons with their scores.

    Attributes:
        score: ``(pairs)``, descending.
        one: ``(pairs)``, the person of one image, counted from 0.
        other: ``(pairs)``, that of the other.
    """

    score: Float32[np.ndarray, " pairs"]
    one: Int[np.ndarray, " pairs"]
    other: Int[np.ndarray, " pairs"]

    @classmethod
    def of(cls, score: np.ndarray, one: np.ndarray, other: np.ndarray) -> "Scored":
        """The pairs in the order of their scores."""
        order = np.argsort(-score, kind="stable")
        return cls(score[order].astype(np.float32), one[order], other[order])

    def reaching(self, threshold: Any) -> Any:
        """The number of pairs with this score or a higher one; for an array of scores, an array."""
        return np.searchsorted(-self.score, -threshold, side="right")


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The pairs of some images, each pair once.

    Attributes:
        shown: ``(persons cameras)``, the number of images of each person under each camera.
        across: Whether a pair must show two cameras.
        same: All pairs of one person, which ``one`` and ``other`` both name.
        highest: The pairs of two persons with the highest scores; all of them where they are few.
        drawn: Pairs of two persons drawn at random; all of them where they are few.
        counts: ``(2 folds folds bins)``, the number of pairs by whether they are of one person, the folds of their
            persons, and their score.
        cells: ``(persons persons)``, sparse and symmetric: the number of pairs of two persons, where a gap of time says
            which pairs are compared; None where the numbers follow from ``shown``.
    """

    shown: Int[np.ndarray, "persons cameras"]
    across: bool
    same: Scored
    highest: Scored
    drawn: Scored
    counts: Int[np.ndarray, "2 folds folds bins"]
    cells: csr_array | None = None

    @property
    def persons(self) -> int:
        """The number of persons."""
        return len(self.shown)

    @property
    def different(self) -> int:
        """The number of pairs of two persons."""
        return _different(self.shown, self.cells, across=self.across)

    def weighted(self, weight: Float[np.ndarray, "draws persons"]) -> Float[np.ndarray, " draws"]:
        """The number of pairs of two persons p and q, each counted ``weight[p] · weight[q]`` times."""
        return _weighted(self.shown, self.cells, weight, across=self.across)

    def between(self, rows: slice) -> Float[np.ndarray, "rows persons"]:
        """The number of pairs between some persons and every person; a person has none with itself."""
        if self.cells is not None:
            return self.cells[rows].toarray().astype(float)
        images = self.shown.sum(1).astype(float)
        numbers = np.outer(images[rows], images)
        if self.across:
            by_camera = self.shown.astype(float)
            numbers -= by_camera[rows] @ by_camera.T
        place = np.arange(self.persons)[rows]
        numbers[np.arange(len(place)), place] = 0
        return numbers


def collect(images: Labelled, *, rate: float, tell: Progress = untold) -> Pairs:
    """Compare all images with all others, block by block.

    Args:
        images: They show two persons or more.
        rate: The highest false match rate that a threshold will be asked for, in (0, 1).
        tell: Called with the rows that are done, and their number.

    Raises:
        ValueError: there are no pairs of one person, or none of two.
    """
    _, person = images.person.unique(return_inverse=True)
    _, camera = images.camera.unique(return_inverse=True)
    persons = int(person.max()) + 1 if len(person) else 0
    shown = np.zeros((persons, int(camera.max()) + 1 if len(camera) else 0), dtype=np.int64)
    np.add.at(shown, (person.numpy(), camera.numpy()), 1)
    cells = None if images.gap is None else _cells(images, person, persons)
    different = _different(shown, cells, across=images.across)
    if different == 0:
        raise InputError(_no_pairs(images, persons, "two persons"))
    drawn_share = min(1.0, DRAWN / different)
    kept = _Highest(max(DRAWN, int(KEPT * rate * different)))
    fold = torch.randperm(persons, generator=torch.Generator().manual_seed(_SEED)) % FOLDS
    counts = torch.zeros(2 * FOLDS * FOLDS * BINS, dtype=torch.int64)
    chance = torch.Generator().manual_seed(_SEED)
    same: list[tuple[np.ndarray, ...]] = []
    drawn: list[tuple[np.ndarray, ...]] = []
    for block in _blocks(images, person, tell):
        cell = (block.same.long() * FOLDS + fold[block.one]) * FOLDS + fold[block.other]
        level = ((block.score + 1) * (BINS / 2)).long().clamp_(0, BINS - 1)
        counts += torch.bincount(cell * BINS + level, minlength=len(counts))
        same.append(block.where(block.same))
        others = block.where(~block.same)
        kept.add(others)
        if drawn_share < 1:
            pick = (torch.rand(len(others[0]), generator=chance) < drawn_share).numpy()
            drawn.append(tuple(part[pick] for part in others))
    if not sum(len(part[0]) for part in same):
        raise InputError(_no_pairs(images, persons, "one person"))
    highest = kept.scored()
    return Pairs(
        shown=shown,
        across=images.across,
        same=_joined(same),
        highest=highest,
        drawn=_joined(drawn) if drawn_share < 1 else highest,
        counts=counts.view(2, FOLDS, FOLDS, BINS).numpy(),
        cells=cells,
    )


def _cells(images: Labelled, person: Tensor, persons: int) -> csr_array:
    """The number of pairs that are compared of every two persons; see :attr:`Pairs.cells`."""
    total = csr_array((persons, persons), dtype=np.int64)
    for start in range(0, len(person), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(person)))
        row, column = images.compared(rows).nonzero(as_tuple=True)
        owners, one = person[rows].unique(return_inverse=True)
        counts = torch.bincount(one[row] * persons + person[start:][column], minlength=len(owners) * persons)
        counts = counts.view(len(owners), persons)
        counts[torch.arange(len(owners)), owners] = 0
        place, other = counts.nonzero(as_tuple=True)
        numbers = counts[place, other].numpy(), (owners[place].numpy(), other.numpy())
        total = total + csr_array(numbers, shape=(persons, persons))
    return csr_array(total + total.T)


def _weighted(
    shown: np.ndarray, cells: csr_array | None, weight: np.ndarray, *, across: bool
) -> Float[np.ndarray, " draws"]:
    """The number of pairs of two persons; see :meth:`Pairs.weighted`."""
    if cells is not None:
        return ((weight @ cells) * weight).sum(1) / 2
    images = shown.sum(1).astype(float)
    total = (weight @ images) ** 2 - (weight**2) @ images**2
    if across:
        by_camera = shown.astype(float)
        total -= ((weight @ by_camera) ** 2 - (weight**2) @ by_camera**2).sum(1)
    return total / 2


def _different(shown: np.ndarray, cells: csr_array | None, *, across: bool) -> int:
    return round(float(_weighted(shown, cells, np.ones((1, len(shown))), across=across)[0]))


def _no_pairs(images: Labelled, persons: int, of: str) -> str:
    cameras = len(images.camera.unique())
    across = " under two cameras" if images.across else ""
    across += " so far apart in time" if images.gap is not None else ""
    cure = "; pairs=all compares images of one camera too" if images.across else ""
    return (
        f"no pair of images of {of}{across} among {len(images.person)} images of {persons} persons and {cameras}"
        f" cameras; give a set with several images of several persons{cure}"
    )


class _Block(NamedTuple):
    """The pairs of some rows with all later images."""

    score: Tensor
    one: Tensor
    other: Tensor
    same: Tensor

    def where(self, mask: Tensor) -> tuple[np.ndarray, ...]:
        """Scores and persons of some of them."""
        return (
            self.score[mask].numpy(),
            self.one[mask].to(torch.int32).numpy(),
            self.other[mask].to(torch.int32).numpy(),
        )


def _blocks(images: Labelled, person: Tensor, tell: Progress) -> Iterator[_Block]:
    total = len(person)
    for start in range(0, total, _BLOCK):
        end = min(start + _BLOCK, total)
        score = images.embedding[start:end] @ images.embedding[start:].T
        row, column = images.compared(slice(start, end)).nonzero(as_tuple=True)
        one, other = person[start:end][row], person[start:][column]
        yield _Block(score[row, column].clamp_(-1, 1), one, other, one == other)
        tell(end, total)


class _Highest:
    """The pairs with the highest scores of all that were added."""

    def __init__(self, number: int) -> None:
        self.number, self.least = number, -np.inf
        self.parts: list[tuple[np.ndarray, ...]] = []
        self.held = 0

    def add(self, pairs: tuple[np.ndarray, ...]) -> None:
        chosen = pairs[0] >= self.least
        self.parts.append(tuple(part[chosen] for part in pairs))
        self.held += int(chosen.sum())
        if self.held > 2 * self.number:
            self._prune()

    def _prune(self) -> None:
        score, one, other = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        place = np.argpartition(-score, self.number - 1)[: self.number]
        self.parts = [(score[place], one[place], other[place])]
        self.held, self.least = self.number, float(score[place].min())

    def scored(self) -> Scored:
        if self.held > self.number:
            self._prune()
        return _joined(self.parts)


def _joined(parts: list[tuple[np.ndarray, ...]]) -> Scored:
    score, one, other = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Scored.of(score, one, other)
