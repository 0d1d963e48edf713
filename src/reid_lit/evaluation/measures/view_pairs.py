"""Scores by pair of views: whether a side is found by the same side, and by another."""

import torch
from jaxtyping import Int
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.measures.gallery_parts import GalleryParts, Part, means
from reid_lit.evaluation.ranker import Ranker

ALL, OTHER = "all", "other"


class ViewPairs(GalleryParts[tuple[str, int]]):
    """Rank-1 and mAP of the queries of one view among the gallery images of one view, for every such pair.

    Also those of all queries among the images of their own view, and among those of all other views.
    With v the view, a query q is ranked among the gallery images g, of any person, with v(g) = w for the pair
    (v(q), w), with v(g) = v(q) for ``same`` and with v(g) ≠ v(q) for ``other``. Camera and clothes rules hold there,
    and only queries that have a match there count.

    Args:
        ranker: See :class:`.gallery_parts.GalleryParts`.

    Raises:
        ValueError: the ranker's lists have no views.
    """

    def __init__(self, ranker: Ranker) -> None:
        query, gallery = _known(ranker.lists.query_view), _known(ranker.lists.gallery_view)
        numbers, every = range(len(ranker.lists.views)), torch.ones_like(query, dtype=torch.bool)
        parts = {(ALL, view): Part(every, gallery == view) for view in numbers}
        super().__init__(ranker, parts | {(OTHER, view): Part(query == view, gallery != view) for view in numbers})
        self.view = query.cpu()

    def result(self) -> tuple[dict[str, float], dict[str, object]]:
        """No score by name; ``same``, ``other`` and ``pairs`` in JSON's types, each where a query has a match in it."""
        names, found = self.lists.views, self.scores()
        by_view = {view: scores for (asked, view), scores in found.items() if asked == ALL}
        pairs = [
            {"query": names[one], "gallery": names[view], **measured}
            for one in range(len(names))
            for view, scores in by_view.items()
            if (measured := means([(scores, self.view == one)]))
        ]
        together = {
            "same": means([(scores, self.view == view) for view, scores in by_view.items()]),
            "other": means([(scores, scores.valid) for (asked, _), scores in found.items() if asked == OTHER]),
        }
        return {}, {name: measured for name, measured in together.items() if measured} | {"pairs": pairs}


def _known(view: Int[Tensor, " images"] | None) -> Int[Tensor, " images"]:
    if view is None:
        raise InputError("view_pairs=true: the lists have no views; give query_view and gallery_view, or leave it out")
    return view
