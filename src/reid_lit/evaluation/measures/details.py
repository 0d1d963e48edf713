"""Measures that a protocol may ask for in addition to CMC and mAP, all from one pass over the distances."""

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.catalogue import LEVEL
from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.bootstrap import intervals
from reid_lit.evaluation.measures.camera_pairs import CameraPairs
from reid_lit.evaluation.measures.identification import Identification
from reid_lit.evaluation.measures.open_set import OpenSet, draw_persons
from reid_lit.evaluation.measures.verification import Verification
from reid_lit.evaluation.measures.view_pairs import ViewPairs
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.progress import progress

VALUES = 1 << 22
"""Distances measured together: temporary copies stay near 100 MB for every gallery."""

BY_NEIGHBOURS = ("rerank", "expansion")
"""The choices of a protocol by which a distance depends on the rest of the gallery."""


@typing.runtime_checkable
class Watcher(typing.Protocol):
    """A measure that is computed from the rows of the distance matrix."""

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Take the distances of some queries into account; they are not written to."""

    def again(self) -> bool:
        """Whether another pass over all distances is needed; called after each pass."""

    def result(self) -> tuple[dict[str, float], object]:
        """Scores by a flat name, so that they can be averaged over splits; details in JSON's types."""


KINDS: dict[str, Callable[[Ranker, Int[Tensor, " removed"]], Watcher]] = {
    "roc": lambda ranker, _: Verification(ranker),
    "camera_pairs": lambda ranker, _: CameraPairs(ranker),
    "view_pairs": lambda ranker, _: ViewPairs(ranker),
    "open_set": lambda ranker, removed: OpenSet(ranker, removed=removed),
    "identification": lambda ranker, _: Identification(ranker),
}
"""What is measured from the distances, by the protocol's word that asks for it."""


def details(
    ranker: Ranker, values: Mapping[str, Float[Tensor, " valid"]]
) -> tuple[dict[str, float], dict[str, object]]:
    """Scores and details of what the protocol asks for beside CMC and mAP: ``roc`` and what :func:`measured` has.

    Args:
        ranker: The distances to the whole gallery; its protocol says what is measured.
        values: By the name of each score that gets an interval, the values that it is the mean of, one for each query.
    """
    scores: dict[str, float] = {}
    records: dict[str, object] = {}
    lists, protocol = ranker.lists, ranker.protocol
    removed = draw_persons(lists, protocol.open_set_share)
    for measures, kept in galleries(lists, protocol, removed):
        whole = bool(kept.all())
        part = ranker if whole else Ranker(ranker.query, ranker.gallery[kept], lists.with_gallery(kept), protocol)
        more_scores, more_records = measured(part, measures, removed)
        scores, records = scores | more_scores, records | more_records
    if protocol.bootstrap:
        ends = intervals(values, resamples=protocol.bootstrap)
        records["bootstrap"] = {"resamples": protocol.bootstrap, "level": LEVEL, "intervals": ends}
    return scores, records


def galleries(
    lists: Lists, protocol: Protocol, removed: Int[Tensor, " removed"]
) -> list[tuple[Protocol, Bool[Tensor, " gallery"]]]:
    """The measures of each part of the gallery: all in one pass, unless images left out would still be neighbours."""
    every = torch.ones_like(lists.gallery_person, dtype=torch.bool)
    parts = [(protocol, every)]
    if any(getattr(protocol, name) for name in BY_NEIGHBOURS):
        parts = [(replace(protocol, open_set=()), every)]
        alone = replace(protocol, roc=(), camera_pairs=False, view_pairs=False, identification=())
        parts += [(alone, ~torch.isin(lists.gallery_person, removed))]
    return [part for part in parts if any(getattr(part[0], name) for name in KINDS)]


@torch.no_grad()
def measured(
    ranker: Ranker, measures: Protocol, removed: Int[Tensor, " removed"]
) -> tuple[dict[str, float], dict[str, object]]:
    """Scores and details of :data:`KINDS`.

    All of it is of the whole gallery, with a single gallery shot too.

    Args:
        ranker: The distances.
        measures: Which of them are measured.
        removed: The persons that ``open_set`` takes out of the gallery.
    """
    watchers = {name: kind(ranker, removed) for name, kind in KINDS.items() if getattr(measures, name)}
    watch(ranker, list(watchers.values()))
    scores: dict[str, float] = {}
    records: dict[str, object] = {}
    for name, watcher in watchers.items():
        more_scores, records[name] = watcher.result()
        scores |= more_scores
    return scores, records


def watch(ranker: Ranker, watchers: Sequence[Watcher]) -> None:
    """Show all distances to all watchers, again to those that ask for it."""
    queries = len(ranker.query)
    while watchers:
        with progress("thresholds, pairs of cameras and views, open set") as tell:
            for rows, distance in _parts(ranker):
                for watcher in watchers:
                    watcher.see(rows, distance)
                tell(rows.stop, queries)
        watchers = [watcher for watcher in watchers if watcher.again()]


def _parts(ranker: Ranker) -> Iterator[tuple[slice, Float[Tensor, "rows columns"]]]:
    """All distances, a few queries at a time."""
    together = max(1, VALUES // len(ranker.columns.index))
    for start in range(0, len(ranker.query), BLOCK):
        row = start
        for distance in ranker.block(start).split(together):
            yield slice(row, row + len(distance)), distance
            row += len(distance)
