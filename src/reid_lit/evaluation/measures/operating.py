"""Operating points: a distance up to which pairs are accepted, and the shares that it accepts."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Record = dict[str, float | str | None]


class Point(NamedTuple):
    """The shares that are accepted with every distance up to ``threshold``.

    Attributes:
        threshold: A distance, itself accepted; None where nothing is accepted.
        true: Share of the genuine that is accepted, in [0, 1].
        false: Share of the impostors that is accepted, in [0, 1].
    """

    threshold: float | None
    true: float
    false: float


class Curve(NamedTuple):
    """The operating points at distances that occur.

    Attributes:
        distance: ``(points)``, ascending.
        true: ``(points)`` float64, share of the genuine whose distance is not greater.
        false: ``(points)`` float64, share of the impostors whose distance is not greater.
    """

    distance: Float[Tensor, " points"]
    true: Float[Tensor, " points"]
    false: Float[Tensor, " points"]

    @classmethod
    def of(cls, genuine: Float[Tensor, " accepted"], impostor: Float[Tensor, " impostors"], *, total: int) -> "Curve":
        """The curve of some distances.

        Args:
            genuine: Distances that should be accepted.
            impostor: Distances that should not be, one or more.
            total: Number of the genuine, at least one, with those that no threshold accepts.
        """
        distance, place = torch.cat([genuine, impostor]).unique(return_inverse=True)
        places = place[: len(genuine)], place[len(genuine) :]
        true, false = (torch.bincount(part, minlength=len(distance)).cumsum(0).double() for part in places)
        return cls(distance, true / total, false / len(impostor))

    def allowed(self, rate: float) -> int:
        """The number of points with a false share of ``rate`` or less; they come first."""
        return int((self.false <= rate).sum())

    def at(self, rate: float) -> Point:
        """The point of the greatest threshold whose false share is ``rate`` or less.

        >>> Curve.of(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]), total=2).at(0.5)
        Point(threshold=3.0, true=1.0, false=0.5)
        """
        return self._point(self.allowed(rate) - 1)

    def crossing(self) -> int:
        """The first point at which the impostors' share that is accepted reaches the genuine's that is not."""
        return int((self.false >= 1 - self.true).byte().argmax())

    def equal_error(self) -> tuple[float, float]:
        """The equal error rate, interpolated between the two points around it, and the threshold of the second."""
        index = self.crossing()
        before, after = self._point(index - 1), self._point(index)
        gap, next_gap = 1 - before.true - before.false, after.false - (1 - after.true)
        return before.false + gap / (gap + next_gap) * (after.false - before.false), float(self.distance[index])

    def _point(self, index: int) -> Point:
        """One of the points; before the first, nothing is accepted."""
        return Point(*(float(values[index]) for values in self)) if index >= 0 else Point(None, 0.0, 0.0)


def points_at(curve: Curve | None, rates: Sequence[float], *, impostors: int, false: str, true: str) -> list[Record]:
    """The points at some rates, in JSON's types.

    Args:
        curve: The curve; None where there is nothing to accept or nothing to reject.
        rates: False shares, in (0, 1).
        impostors: Their number; a rate below one of so many cannot be measured, and its record says so.
        false: Name of the false share.
        true: Name of the true share.
    """
    records: list[Record] = []
    for rate in rates:
        if curve is None or rate < 1 / impostors:
            none_genuine = curve is None and impostors > 0
            reason = "none genuine" if none_genuine else f"{impostors} impostors cannot show a rate of {rate:g}"
            records.append({false: rate, true: None, "threshold": None, "reason": reason})
        else:
            point = curve.at(rate)
            records.append({false: rate, true: point.true, "threshold": point.threshold, "measured": point.false})
    return records


def named_scores(records: Sequence[Record], *, false: str, true: str) -> dict[str, float]:
    """The true shares under flat names, such as ``tpr@fpr=0.001``; what could not be measured is left out."""
    scores = {}
    for record in records:
        share = record[true]
        if isinstance(share, float):
            scores[f"{true}@{false}={record[false]:g}"] = share
    return scores
