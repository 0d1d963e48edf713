"""What is measured beside CMC and mAP when asked for, all of it from the same look at the distances."""

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.lists import Columns, Lists
from reid_lit.evaluation.measures.bootstrap import LEVEL, intervals
from reid_lit.evaluation.measures.camera_pairs import CameraPairs
from reid_lit.evaluation.measures.open_set import OpenSet, drawn
from reid_lit.evaluation.measures.verification import Verification
from reid_lit.evaluation.protocol import Protocol, resolve
from reid_lit.evaluation.ranker import Blocks, Ranker
from reid_lit.progress import progress

VALUES = 1 << 22
"""Distances looked at together: temporary copies stay near 100 MB, whatever the gallery."""

BY_NEIGHBOURS = ("rerank", "expansion")
"""What of a protocol lets a distance depend on the rest of the gallery."""


@typing.runtime_checkable
class Watcher(typing.Protocol):
    """What is measured from rows of distances."""

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Take the distances of some queries into account; they are not written to."""

    def again(self) -> bool:
        """Whether all distances must be seen once more, asked after each time."""

    def result(self) -> tuple[dict[str, float], object]:
        """Scores by a flat name, which averages over splits can average; details in JSON's types."""


def details(
    query: Float[Tensor, "queries dim"],
    gallery: Float[Tensor, "gallery dim"],
    lists: Lists,
    protocol: Protocol,
    values: Mapping[str, Float[Tensor, " valid"]],
    *,
    ranker: Ranker | None = None,
) -> tuple[dict[str, float], dict[str, object]]:
    """Scores and details of what the protocol asks for: ``roc``, ``camera_pairs``, ``open_set`` and ``bootstrap``.

    Args:
        query: Embeddings.
        gallery: Embeddings, on the same device.
        lists: Person and camera of each.
        protocol: What is asked for, and how to compare.
        values: By the name of each score that wants an interval, what it is the mean of, one a query.
        ranker: The distances to the whole gallery, where they have been made already.
    """
    scores: dict[str, float] = {}
    found: dict[str, object] = {}
    lists, protocol = lists.to(query.device), resolve(protocol, lists)
    removed = drawn(lists, protocol.open_set_share)
    for asked, left in _galleries(lists, protocol, removed):
        part = Lists(lists.query_person, lists.query_camera, lists.gallery_person[left], lists.gallery_camera[left])
        blocks = ranker if ranker and left.all() else Ranker(query, gallery[left], part, protocol)
        own_scores, own = measured(blocks, part, blocks.columns, asked, removed)
        scores, found = scores | own_scores, found | own
    if protocol.bootstrap:
        ends = intervals(values, resamples=protocol.bootstrap)
        found["bootstrap"] = {"resamples": protocol.bootstrap, "level": LEVEL, "intervals": ends}
    return scores, found


def _galleries(
    lists: Lists, protocol: Protocol, removed: Int[Tensor, " removed"]
) -> list[tuple[Protocol, Bool[Tensor, " gallery"]]]:
    """What is measured in which gallery images: all at once, unless images left out would still tell as neighbours."""
    every = torch.ones_like(lists.gallery_person, dtype=torch.bool)
    parts = [(protocol, every)]
    if any(getattr(protocol, name) for name in BY_NEIGHBOURS):
        parts = [(replace(protocol, open_set=()), every)]
        parts += [(replace(protocol, roc=(), camera_pairs=False), ~torch.isin(lists.gallery_person, removed))]
    return [part for part in parts if part[0].roc or part[0].camera_pairs or part[0].open_set]


@torch.no_grad()
def measured(
    blocks: Blocks, lists: Lists, columns: Columns, protocol: Protocol, removed: Int[Tensor, " removed"]
) -> tuple[dict[str, float], dict[str, object]]:
    """Scores and details of what the protocol asks for: ``roc``, ``camera_pairs`` and ``open_set``.

    All of it is of the whole gallery, with a single gallery shot too.

    Args:
        blocks: The distances of all queries to the columns.
        lists: Person and camera of all images, on the distances' device.
        columns: The gallery entries that the distances' columns are.
        protocol: What is asked for; its camera rule is resolved.
        removed: The persons that ``open_set`` takes out of the gallery.
    """
    kinds: dict[str, Callable[..., Watcher]]
    kinds = {"roc": Verification, "camera_pairs": CameraPairs, "open_set": partial(OpenSet, removed=removed)}
    watchers = {name: kind(lists, columns, protocol) for name, kind in kinds.items() if getattr(protocol, name)}
    watch(blocks, list(watchers.values()), queries=len(lists.query_person), columns=len(columns.index))
    results = {name: watcher.result() for name, watcher in watchers.items()}
    scores = {name: score for own, _ in results.values() for name, score in own.items()}
    return scores, {name: own for name, (_, own) in results.items()}


def watch(blocks: Blocks, watchers: Sequence[Watcher], *, queries: int, columns: int) -> None:
    """Show all distances to all watchers, again to those that ask for it."""
    while watchers:
        with progress("thresholds, camera pairs, open set") as tell:
            for rows, distance in _parts(blocks, queries, max(1, VALUES // columns)):
                for watcher in watchers:
                    watcher.see(rows, distance)
                tell(rows.stop, queries)
        watchers = [watcher for watcher in watchers if watcher.again()]


def _parts(blocks: Blocks, queries: int, together: int) -> Iterator[tuple[slice, Float[Tensor, "rows columns"]]]:
    """The distances of some queries after the other."""
    for start in range(0, queries, BLOCK):
        row = start
        for distance in blocks.block(start).split(together):
            yield slice(row, row + len(distance)), distance
            row += len(distance)
