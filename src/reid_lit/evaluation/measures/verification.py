"""Same person or not: the ROC curve over all pairs of query and gallery, exact and without keeping the pairs."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.measures.operating import Curve, named_scores, points_at
from reid_lit.evaluation.ranker import Ranker

DET_POINTS = 200
"""Points of the DET curve, at most."""

HALF = 1 << 16
"""The number of values that one half of the bits of a float32 can have."""


class Verification:
    """True positive rates at fixed false positive rates, and the equal error rate, each with its distance.

    In the words of biometrics: a false positive rate is a false match rate (FMR), and one less the true positive rate
    is the false non-match rate (FNMR); the DET curve shows one over the other.

    A pair is *genuine* when query and gallery image show one person and the camera rule keeps it, an *impostor* when
    they show two; junk is in neither. A pair is accepted where its distance, in float32, is not above the threshold.
    At a rate f the threshold is the greatest distance that occurs whose false positive rate is f or less.

    Pairs are counted, not kept, in two passes. The first pass counts by the upper half of a distance's bits; this shows
    which upper halves the points can have. The second pass counts the pairs with these upper halves by the lower half.
    So the points are exact in a few MB, however many pairs there are.

    Source: ISO/IEC 19795-1 (false match rate, false non-match rate, equal error rate); Fawcett, "An introduction to
        ROC analysis", Pattern Recognition Letters 2006.

    Args:
        ranker: Whose distances are seen; its protocol has the camera rule, and ``roc``, the false positive rates.
    """

    def __init__(self, ranker: Ranker) -> None:
        self.lists, self.columns, self.protocol = ranker.lists, ranker.columns, ranker.protocol
        self.device = ranker.query.device
        self.coarse = self.fine = self._counters(HALF)
        self.opened: Tensor | None = None  # the upper halves of the second pass, ascending; None in the first
        self.slot = torch.full((HALF,), -1, device=self.device)  # of each upper half, its place among the opened ones

    def _counters(self, values: int) -> Int[Tensor, "3 values"]:
        """Zeros to count all pairs, the pairs of one person, and the genuine pairs."""
        return torch.zeros(3, values, dtype=torch.int64, device=self.device)

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Count the pairs of some queries."""
        key = _key(distance)
        asked = self.lists.asked(rows)
        place, filled = self.columns.of_person(asked.person)
        kept = filled & ~self.columns.removed(place, asked, self.protocol)
        same_person = key.gather(1, place)
        counters = self.coarse if self.opened is None else self.fine
        keys = (key.flatten(), same_person[filled], same_person[kept])
        counters += torch.stack([self._count(part, counters.shape[1]) for part in keys])

    def _count(self, key: Int[Tensor, " pairs"], values: int) -> Int[Tensor, " values"]:
        upper = (key >> 16) + HALF // 2
        if self.opened is None:
            return torch.bincount(upper, minlength=values)
        slot = self.slot[upper]
        inside = slot >= 0
        return torch.bincount(slot[inside] * HALF + (key[inside] & (HALF - 1)), minlength=values)

    def again(self) -> bool:
        """Whether a second pass follows; the first one tells for which upper halves."""
        if self.opened is not None:
            return False
        self.opened = self._upper_halves().nonzero()[:, 0]
        self.slot[self.opened] = torch.arange(len(self.opened), device=self.device)
        self.fine = self._counters(len(self.opened) * HALF)
        return len(self.opened) > 0

    def _upper_halves(self) -> Bool[Tensor, " upper"]:
        """Which upper halves the second pass needs.

        The first pass tells the upper half in which the rate of a point is exceeded. The threshold is below that
        distance: in the same upper half, or the last distance of the occupied one before. So both are needed.
        """
        needed = torch.zeros(HALF, dtype=torch.bool, device=self.device)
        pairs = _genuine_and_impostors(self.coarse)
        total = pairs.sum(1, keepdim=True)
        if total.all():
            occupied = pairs.any(0).nonzero()[:, 0]
            curve = Curve(occupied.double(), *(pairs.cumsum(1).double() / total)[:, occupied])
            for index in (curve.crossing(), *map(curve.allowed, self.protocol.roc)):
                needed[occupied[max(0, index - 1) : index + 1]] = True
        return needed

    def _curve(self) -> Curve | None:
        """The curve at the distances of the second pass; None without genuine pairs or without impostors."""
        pairs = _genuine_and_impostors(self.coarse)
        if self.opened is None or not pairs.any(1).all():
            return None
        here = _genuine_and_impostors(self.fine).view(2, -1, HALF)
        before = (pairs.cumsum(1) - pairs)[:, self.opened, None]
        upto = (here.cumsum(2) + before).double() / pairs.sum(1)[:, None, None]
        occupied = here.any(0)
        key = (self.opened[:, None] - HALF // 2) * HALF + torch.arange(HALF, device=self.device)
        return Curve(_distance(key[occupied]), *upto[:, occupied])

    def _det(self) -> list[dict[str, float]]:
        """False match rate and false non-match rate at distances over the whole range, exact; empty as the curve."""
        pairs = _genuine_and_impostors(self.coarse)
        if not pairs.any(1).all():
            return []
        total = pairs.sum(1)
        occupied = pairs.any(0).nonzero()[:, 0]
        true, false = (pairs.cumsum(1).double() / total[:, None])[:, occupied]
        near = torch.cat(
            [
                torch.logspace(-math.log10(int(total[1])), 0, DET_POINTS // 2, dtype=torch.float64),
                torch.linspace(0, 1, DET_POINTS // 2, dtype=torch.float64),
            ]
        ).to(false.device)
        place = torch.searchsorted(false, near).clamp_max(len(false) - 1).unique()
        threshold = _distance((occupied[place] - HALF // 2) * HALF + HALF - 1)  # the last one with this upper half
        rows = zip(threshold.tolist(), false[place].tolist(), (1 - true[place]).tolist(), strict=True)
        return [{"threshold": limit, "fmr": fmr, "fnmr": fnmr} for limit, fmr, fnmr in rows]

    def result(self) -> tuple[dict[str, float], dict[str, object]]:
        """The scores by name, and the details, in JSON's types."""
        curve = self._curve()
        genuine, impostors = _genuine_and_impostors(self.coarse).sum(1).tolist()
        points = points_at(curve, self.protocol.roc, impostors=impostors, false="fpr", true="tpr")
        details = {"genuine_pairs": genuine, "impostor_pairs": impostors, "points": points, "det": self._det()}
        scores = named_scores(points, false="fpr", true="tpr")
        scores |= {f"fnmr@fmr={name.partition('=')[2]}": 1 - rate for name, rate in scores.items()}
        if curve is not None:
            scores["eer"], threshold = curve.equal_error()
            details["eer"] = {"rate": scores["eer"], "threshold": threshold}
        return scores, details


def _genuine_and_impostors(counters: Int[Tensor, "3 values"]) -> Int[Tensor, "2 values"]:
    every, same_person, genuine = counters
    return torch.stack([genuine, every - same_person])


def _key(distance: Float[Tensor, "..."]) -> Int[Tensor, "..."]:
    """An integer for each distance, in the same order: the bits of the float32, inverted below 0 except the sign."""
    bits = (distance.float() + 0.0).view(torch.int32)  # -0 becomes 0
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _distance(key: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The distance of each integer of :func:`_key`."""
    key = key.to(torch.int32)
    return (key ^ ((key >> 31) & 0x7FFFFFFF)).view(torch.float32)
