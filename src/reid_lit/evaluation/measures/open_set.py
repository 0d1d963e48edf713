"""Open-set identification: queries whose person may not be in the gallery."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.operating import Curve, named_scores, points_at
from reid_lit.evaluation.ranker import Ranker
from reid_lit.records import JUNK

SEED = 0
"""Seed of the draw of persons, so that two models are compared on the same gallery."""


class OpenSet:
    """Detection and identification rates (DIR) at fixed false alarm rates (FAR), each with its distance.

    A query raises an alarm where its nearest gallery entry is not farther than the threshold. FAR is the share of the
    *impostors*, queries whose person is not in the gallery, that raise one. DIR is the share of the *genuine* queries,
    those with a true match, that raise one whose nearest entry shows the right person. At a rate f the threshold is the
    greatest nearest distance that occurs with a FAR of f or less.

    Closed-set data sets have few impostors or none. So a share of the queries' persons is drawn, and their images are
    taken out of the gallery, before expansion and re-ranking. A query whose person is in the gallery only in images
    that the rules remove is neither genuine nor an impostor.

    Source: Phillips, Grother and Micheals, "Evaluation Methods in Face Recognition", in Li and Jain (eds.), Handbook of
        Face Recognition; in re-identification: Liao et al., "Open-set Person Re-identification", arXiv 1408.0872, 2014.
        The draw is ours.

    Args:
        ranker: Whose distances are seen; its protocol has the camera rule, ``open_set``, the false alarm rates, and
            ``open_set_share``.
        removed: The persons taken out, by :func:`draw_persons`; their images may or may not be among the columns.
    """

    def __init__(self, ranker: Ranker, *, removed: Int[Tensor, " removed"]) -> None:
        self.lists, self.columns, self.protocol, self.removed = ranker.lists, ranker.columns, ranker.protocol, removed
        self.gone = torch.isin(self.columns.person, removed)
        self.stranger = ~torch.isin(self.lists.query_person, self.columns.person[~self.gone])
        self.nearest = torch.full((len(ranker.query),), torch.inf, dtype=torch.float64, device=ranker.query.device)
        self.right, self.genuine = (torch.zeros_like(self.stranger) for _ in range(2))

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Find the nearest entries of some queries."""
        asked = self.lists.asked(rows)
        place, match = self.columns.of_person(asked.person)
        left = distance.masked_fill(self.gone, torch.inf)
        removed = match & self.columns.removed(place, asked, self.protocol)
        left[removed.nonzero()[:, 0], place[removed]] = torch.inf
        match = match & ~removed
        nearest = left.argmin(1, keepdim=True)  # the first of equal ones
        self.nearest[rows] = left.gather(1, nearest)[:, 0].double()
        self.right[rows] = self.columns.person[nearest[:, 0]] == asked.person
        self.genuine[rows] = match.any(1) & ~self.stranger[rows]

    def again(self) -> bool:
        """False: one pass over the distances is enough."""
        return False

    def result(self) -> tuple[dict[str, float], dict[str, object]]:
        """The scores by name, and the details, in JSON's types."""
        genuine, impostors = int(self.genuine.sum()), int(self.stranger.sum())
        curve = None
        if genuine and impostors:
            correct = self.nearest[self.genuine & self.right]
            curve = Curve.of(correct, self.nearest[self.stranger], total=genuine)
        points = points_at(curve, self.protocol.open_set, impostors=impostors, false="far", true="dir")
        details: dict[str, object] = {
            "share": self.protocol.open_set_share,
            "persons_removed": len(self.removed),
            "genuine_queries": genuine,
            "impostor_queries": impostors,
            "rank1": float(self.right[self.genuine].double().mean()) if genuine else None,
            "points": points,
        }
        return named_scores(points, false="far", true="dir"), details


def draw_persons(lists: Lists, share: float) -> Int[Tensor, " persons"]:
    """Draw a share of the persons that both a query and the gallery show; at least one of them is not drawn."""
    persons = lists.query_person.unique()
    persons = persons[torch.isin(persons, lists.gallery_person) & (persons != JUNK)]
    order = torch.randperm(len(persons), generator=torch.Generator().manual_seed(SEED))
    return persons[order.to(persons.device)[: min(round(share * len(persons)), len(persons) - 1)]]
