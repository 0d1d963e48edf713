"""Open-set identification in the words of biometrics: who is searched may be enrolled or not, in many galleries."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.catalogue import LEVEL
from reid_lit.evaluation.measures.operating import Curve
from reid_lit.evaluation.ranker import Ranker

SEED = 0
"""Seed of the galleries, so that two models are compared on the same ones."""

DET_POINTS = 40

NEIGHBOURS = (
    "re-ranked and expanded distances depend on who is enrolled, and each random gallery would need its own; set"
    " rerank=null and expansion=null"
)


class Identification:
    """False negative identification rates (FNIR) at fixed false positive identification rates (FPIR).

    In each of several galleries a share of the queries' persons, drawn at random, is enrolled: with all of their
    images. The images of the other ones are taken out; the rest of the gallery stays in all. Each query is a search,
    which returns the enrolled images that are not farther than the threshold, however many. FPIR is the share of the
    searches for persons who are not enrolled, *strangers*, that return something. FNIR is the share of the searches for
    enrolled persons that do not return them, by an image that the camera rule keeps. At a rate f the threshold is the
    greatest distance that occurs whose FPIR is f or less. A query whose person is enrolled only in images that the
    camera rule removes is left out.

    The rates are means over the galleries; their intervals hold the middle 95 % of the galleries. Where half of the
    persons are enrolled, these vary about as much as draws of as many other persons would, by half-sampling.

    Source: ISO/IEC 19795-1:2021 (FNIR, FPIR, open-set identification; a candidate list of any length); DET: Martin et
        al., "The DET curve in assessment of detection task performance", Eurospeech 1997; half-sampling: Efron, "The
        Jackknife, the Bootstrap and Other Resampling Plans", 1982, chapter 8.

    Args:
        ranker: Whose distances are seen; its protocol has the camera rule, ``identification``, the rates,
            ``identification_galleries`` and ``identification_enrolled``.
    """

    def __init__(self, ranker: Ranker) -> None:
        self.lists, self.columns, self.protocol = ranker.lists, ranker.columns, ranker.protocol
        self.measurable = not ranker.by_neighbours
        self.person = self._persons()
        place = torch.searchsorted(self.person, self.columns.person).clamp_max(len(self.person) - 1)
        searched = torch.isin(self.columns.person, self.person)
        self.owner = place.masked_fill(~searched, len(self.person))  # all others share the last place
        queries, device = len(ranker.query), ranker.query.device
        self.enrolled = self._draw().to(device)
        kept = len(self.enrolled) if self.measurable else 0
        self.nearest = torch.full((kept, queries), torch.inf, dtype=torch.float64, device=device)
        self.mated = torch.full((queries,), torch.inf, dtype=torch.float64, device=device)
        self.has_match = torch.zeros(queries, dtype=torch.bool, device=device)

    def _persons(self) -> Int[Tensor, " persons"]:
        """The persons that both a query and the gallery show, ascending."""
        persons = self.lists.query_person.unique()
        return persons[torch.isin(persons, self.columns.person)]

    def _draw(self) -> Bool[Tensor, "galleries places"]:
        """Which persons each gallery has; in the last place those that no query shows."""
        persons, galleries = len(self.person), self.protocol.identification_galleries
        number = min(persons, max(1, round(self.protocol.identification_enrolled * persons)))
        generator = torch.Generator().manual_seed(SEED)
        enrolled = torch.zeros(galleries, persons + 1, dtype=torch.bool)
        for gallery in enrolled:
            gallery[torch.randperm(persons, generator=generator)[:number]] = True
        enrolled[:, -1] = True
        return enrolled

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Find the nearest enrolled images of some queries in each gallery, and the nearest of their own person."""
        if not self.measurable:
            return
        asked = self.lists.asked(rows)
        place, kept = self.columns.of_person(asked.person)
        kept = kept & ~self.columns.removed(place, asked, self.protocol)
        self.mated[rows] = distance.gather(1, place).masked_fill(~kept, torch.inf).amin(1).double()
        self.has_match[rows] = kept.any(1)
        by_person = distance.new_full((len(distance), len(self.person) + 1), torch.inf)
        by_person.scatter_reduce_(1, self.owner.expand_as(distance), distance, "amin")
        for gallery, enrolled in enumerate(self.enrolled):
            self.nearest[gallery, rows] = by_person.masked_fill(~enrolled, torch.inf).amin(1).double()

    def again(self) -> bool:
        """False: one pass over the distances is enough."""
        return False

    def result(self) -> tuple[dict[str, float], dict[str, object]]:
        """The scores by name, and the details, in JSON's types."""
        rates = self.protocol.identification
        if not self.measurable:
            return {}, {"points": [_unmeasured(rate, NEIGHBOURS) for rate in rates]}
        searched = torch.isin(self.lists.query_person, self.person)
        place = torch.searchsorted(self.person, self.lists.query_person).clamp_max(len(self.person) - 1)
        found = searched & self.enrolled[:, place]
        mated, strangers = found & self.has_match, ~found
        least = {"mated": int(mated.sum(1).min()), "strangers": int(strangers.sum(1).min())}
        details: dict[str, Any] = {
            "galleries": len(self.enrolled),
            "seed": SEED,
            "level": LEVEL,
            "persons": len(self.person),
            "persons_enrolled": int(self.enrolled[0, :-1].sum()),
            "mated_searches": float(mated.sum(1).double().mean()),
            "stranger_searches": float(strangers.sum(1).double().mean()),
        }
        curves = [
            Curve.of(self.mated[one], nearest[other], total=int(one.sum()))
            for nearest, one, other in zip(self.nearest, mated, strangers, strict=True)
            if min(least.values())
        ]
        details["points"] = [_point(curves, rate, least) for rate in rates]
        details["det"] = _det(curves, least["strangers"])
        scores = {f"fnir@fpir={point['fpir']:g}": point["fnir"] for point in details["points"]}
        return {name: score for name, score in scores.items() if score is not None}, details


def _unmeasured(rate: float, reason: str) -> dict[str, Any]:
    return {"fpir": rate, "fnir": None, "threshold": None, "reason": reason}


def _point(curves: list[Curve], rate: float, least: dict[str, int]) -> dict[str, Any]:
    """The rate, its interval and the mean threshold; or why a gallery cannot show it.

    Args:
        curves: Of the galleries; none where one of them has no searches of a kind.
        rate: A false positive identification rate.
        least: The least number of searches of each kind that a gallery has.
    """
    if not least["mated"]:
        return _unmeasured(rate, "a gallery has no search for an enrolled person")
    if rate * least["strangers"] < 1:
        return _unmeasured(rate, f"{least['strangers']} searches for strangers cannot show a rate of {rate:g}")
    points = [curve.at(rate) for curve in curves]
    found = [point.threshold for point in points if point.threshold is not None]
    return _mean(rate, points_true=[point.true for point in points]) | {
        "threshold": float(np.mean(found)) if found else None,
        "measured": float(np.mean([point.false for point in points])),
    }


def _mean(rate: float, *, points_true: list[float]) -> dict[str, Any]:
    fnir = 1 - np.array(points_true)
    low, high = np.quantile(fnir, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return {"fpir": rate, "fnir": float(fnir.mean()), "low": low, "high": high}


def _det(curves: list[Curve], strangers: int) -> list[dict[str, Any]]:
    """The FNIR over the FPIR, as far down as the least number of strangers shows it."""
    rates = np.geomspace(1 / strangers, 1, DET_POINTS).tolist() if curves else []
    return [_mean(rate, points_true=[curve.at(rate).true for curve in curves]) for rate in rates]
