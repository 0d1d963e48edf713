"""Same person or not: the ROC curve over all pairs of query and gallery, exact and without keeping the pairs."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.measures.operating import Curve, named_scores, points_at
from reid_lit.evaluation.ranker import Ranker

HALF = 1 << 16
"""Values that one half of the bits of a float32 takes."""


class Verification:
    """True positive rates at fixed false positive rates, and the equal error rate, each with its distance.

    A pair is *genuine* when query and gallery image show one person and the camera rule keeps it, an *impostor* when
    they show two; junk is in neither. A pair is accepted where its distance, in float32, is not above the threshold.
    At a rate f the threshold is the greatest distance that occurs whose false positive rate is f or less.

    Pairs are counted, not kept, in two looks: first by the upper half of their distance's bits, then, where the points
    asked for turn out to lie, by the lower half. So the points are exact in a few MB, however many pairs there are.

    Source: ISO/IEC 19795-1 (false match rate, false non-match rate, equal error rate); Fawcett, "An introduction to
        ROC analysis", Pattern Recognition Letters 2006.

    Args:
        ranker: Whose distances are seen; its protocol has the camera rule, and ``roc``, the false positive rates.
    """

    def __init__(self, ranker: Ranker) -> None:
        self.lists, self.columns, self.protocol = ranker.lists, ranker.columns, ranker.protocol
        self.device = ranker.query.device
        self.coarse = self.fine = self._counters(HALF)
        self.asked: Tensor | None = None  # the upper halves looked into, ascending
        self.slot = torch.full((HALF,), -1, device=self.device)  # of each upper half, its place among those

    def _counters(self, values: int) -> Int[Tensor, "3 values"]:
        """Of all pairs; of the pairs of one person; of the genuine ones among these."""
        return torch.zeros(3, values, dtype=torch.int64, device=self.device)

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Count the pairs of some queries."""
        key = _key(distance)
        place, filled = self.columns.of_person(self.lists.query_person[rows])
        kept = filled
        if self.protocol.camera_rule == "cross_camera":
            kept = filled & (self.columns.camera[place] != self.lists.query_camera[rows, None])
        own = key.gather(1, place)
        counters = self.coarse if self.asked is None else self.fine
        seen = (key.flatten(), own[filled], own[kept])
        counters += torch.stack([self._count(keys, counters.shape[1]) for keys in seen])

    def _count(self, key: Int[Tensor, " pairs"], values: int) -> Int[Tensor, " values"]:
        upper = (key >> 16) + HALF // 2
        if self.asked is None:
            return torch.bincount(upper, minlength=values)
        slot = self.slot[upper]
        inside = slot >= 0
        return torch.bincount(slot[inside] * HALF + (key[inside] & (HALF - 1)), minlength=values)

    def again(self) -> bool:
        """Whether the pairs must be seen once more."""
        if self.asked is not None:
            return False
        self.asked = self._where_points_lie().nonzero()[:, 0]
        self.slot[self.asked] = torch.arange(len(self.asked), device=self.device)
        self.fine = self._counters(len(self.asked) * HALF)
        return len(self.asked) > 0

    def _where_points_lie(self) -> Bool[Tensor, " upper"]:
        """The upper halves in which the points asked for are, and those before them, whose last distance may be it."""
        found = torch.zeros(HALF, dtype=torch.bool, device=self.device)
        pairs = _genuine_and_impostors(self.coarse)
        total = pairs.sum(1, keepdim=True)
        if total.all():
            occupied = pairs.any(0).nonzero()[:, 0]
            curve = Curve(occupied.double(), *(pairs.cumsum(1).double() / total)[:, occupied])
            for index in (curve.crossing(), *map(curve.allowed, self.protocol.roc)):
                found[occupied[max(0, index - 1) : index + 1]] = True
        return found

    def _curve(self) -> Curve | None:
        """The curve where it was looked into; None without pairs of a kind."""
        pairs = _genuine_and_impostors(self.coarse)
        if self.asked is None or not pairs.any(1).all():
            return None
        here = _genuine_and_impostors(self.fine).view(2, -1, HALF)
        before = (pairs.cumsum(1) - pairs)[:, self.asked, None]
        upto = (here.cumsum(2) + before).double() / pairs.sum(1)[:, None, None]
        occupied = here.any(0)
        key = (self.asked[:, None] - HALF // 2) * HALF + torch.arange(HALF, device=self.device)
        return Curve(_distance(key[occupied]), *upto[:, occupied])

    def result(self) -> tuple[dict[str, float], dict[str, object]]:
        """The scores by name, and the details, in JSON's types."""
        curve = self._curve()
        genuine, impostors = _genuine_and_impostors(self.coarse).sum(1).tolist()
        points = points_at(curve, self.protocol.roc, impostors=impostors, false="fpr", true="tpr")
        details = {"genuine_pairs": genuine, "impostor_pairs": impostors, "points": points}
        scores = named_scores(points, false="fpr", true="tpr")
        if curve is not None:
            scores["eer"], threshold = curve.equal_error()
            details["eer"] = {"rate": scores["eer"], "threshold": threshold}
        return scores, details


def _genuine_and_impostors(counters: Int[Tensor, "3 values"]) -> Int[Tensor, "2 values"]:
    every, same_person, genuine = counters
    return torch.stack([genuine, every - same_person])


def _key(distance: Float[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Integers in the order of the distances, one each: the bits of a float32, those of negative numbers turned."""
    bits = (distance.float() + 0.0).view(torch.int32)  # -0 becomes 0
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _distance(key: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The distances that :func:`_key` turned into integers."""
    key = key.to(torch.int32)
    return (key ^ ((key >> 31) & 0x7FFFFFFF)).view(torch.float32)
