"""The scores of queries in parts of the gallery."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reid_lit.evaluation.lists import Columns
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import QueryScores, join, rank_rows, score_rows

Name = TypeVar("Name", bound=Hashable)


class Part(NamedTuple):
    """Some queries, and the gallery images that they are ranked among.

    Attributes:
        query: Which queries.
        gallery: Which gallery images.
    """

    query: Bool[Tensor, " queries"]
    gallery: Bool[Tensor, " gallery"]


class GalleryParts(Generic[Name]):
    """What is seen of the distances to some parts of the gallery, each ranked alone, its distractors with it.

    Expanded or re-ranked distances are those of the whole gallery.

    Args:
        ranker: Whose distances are seen; its protocol has the camera rule and the convention of the average precision.
        parts: By name; one without a query, or with nothing but junk, is left out.
    """

    def __init__(self, ranker: Ranker, parts: Mapping[Name, Part]) -> None:
        self.lists, self.protocol = ranker.lists, ranker.protocol
        index = ranker.columns.index
        self.asking = {
            name: part.query for name, part in parts.items() if part.query.any() and part.gallery[index].any()
        }
        self.places = {name: parts[name].gallery[index].nonzero()[:, 0] for name in self.asking}
        self.columns = {name: Columns(ranker.lists.with_gallery(parts[name].gallery)) for name in self.asking}
        self.seen: dict[Name, list[tuple[QueryScores, QueryScores]]] = {name: [] for name in self.asking}

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Score those of some queries that each part has."""
        for name, asking in self.asking.items():
            row = asking[rows].nonzero()[:, 0]
            if len(row):
                columns = self.columns[name]
                ranked = rank_rows(
                    distance[row[:, None], self.places[name]], self.lists.asked(rows.start + row), columns
                )
                self.seen[name].append(score_rows(ranked, columns, self.protocol))

    def again(self) -> bool:
        """False: one pass over the distances is enough."""
        return False

    def scores(self) -> dict[Name, QueryScores]:
        """The scores of the queries of each part, in their order."""
        return {name: join(seen)[0] for name, seen in self.seen.items()}


def means(scores: Sequence[tuple[QueryScores, Bool[Tensor, " _"]]]) -> dict[str, object]:
    """Number and mean scores of queries that have a match, in JSON's types; nothing where none has one.

    Args:
        scores: Of some queries, and which of them are meant.
    """
    counted = [(part, part.valid & chosen) for part, chosen in scores]
    if not any(valid.any() for _, valid in counted):
        return {}
    first = torch.cat([part.first_match[valid] for part, valid in counted])
    precision = torch.cat([part.average_precision[valid] for part, valid in counted])
    return {"queries": len(first), "rank1": float((first == 1).double().mean()), "mAP": float(precision.mean())}
