"""The nearest gallery entries of some queries, for pictures and reports."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.lists import Columns
from reid_lit.evaluation.ranker import Ranker
from reid_lit.records import JUNK

PADDING = (-1, torch.inf, 0, 0)
"""Gallery index, distance, match and removed of an entry that is not there."""


@dataclass(frozen=True)
class Top:
    """The k nearest gallery entries of some queries, on the CPU; the same order as the scores'.

    Attributes:
        rows: ``(rows)`` int64, the queries' indices.
        gallery: ``(rows k)`` int64, gallery indices, nearest first; -1 where fewer than k entries are left.
        distance: ``(rows k)``, their distances; infinite where ``gallery`` is -1.
        match: ``(rows k)``, the entry is a true match.
        removed: ``(rows k)``, the protocol removes the entry; only with ``keep_junk``.
    """

    rows: Int[Tensor, " rows"]
    gallery: Int[Tensor, "rows k"]
    distance: Float[Tensor, "rows k"]
    match: Bool[Tensor, "rows k"]
    removed: Bool[Tensor, "rows k"]


@torch.no_grad()
def top(ranker: Ranker, *, k: int = 10, rows: Int[Tensor, " rows"] | None = None, keep_junk: bool = False) -> Top:
    """The k nearest gallery entries, by the scores' own distances and tie rule.

    Args:
        ranker: What is ranked.
        k: Entries a query, from 1.
        rows: Indices of the queries; all by default.
        keep_junk: Keep the entries that the protocol removes, marked as such, in place of leaving them out.
            Junk that expansion and re-ranking did not look at has no distance, and stays out.

    Raises:
        ValueError: no rows, or embeddings that are not finite.
    """
    rows, device = torch.arange(len(ranker.query)) if rows is None else rows.cpu(), ranker.query.device
    if not len(rows):
        raise InputError("rows names no query; give one or more, or None for all")
    columns, blocks = ranker.with_junk() if keep_junk else (ranker.columns, ranker)
    parts = []
    for start in (rows // BLOCK * BLOCK).unique().tolist():
        here = ((rows >= start) & (rows < start + BLOCK)).nonzero()[:, 0]
        distance = blocks.block(start)[(rows[here] - start).to(device)]
        nearest = _nearest(distance, rows[here].to(device), ranker, columns, keep_junk)
        parts.append((here, *(_fit(part, k, pad) for part, pad in zip(nearest, PADDING, strict=True))))
    place, *columns_of = (torch.cat(part) for part in zip(*parts, strict=True))
    order = place.argsort()
    return Top(rows, *(column[order] for column in columns_of))


def _fit(part: Shaped[Tensor, "rows columns"], k: int, pad: int | float) -> Shaped[Tensor, "rows k"]:
    """The first k columns on the CPU, padded when there are fewer."""
    return F.pad(part[:, :k], (0, max(0, k - part.shape[1])), value=pad).cpu()


def _nearest(
    distance: Float[Tensor, "rows columns"],
    rows: Int[Tensor, " rows"],
    ranker: Ranker,
    columns: Columns,
    keep_junk: bool,
) -> tuple[
    Int[Tensor, "rows columns"],
    Float[Tensor, "rows columns"],
    Bool[Tensor, "rows columns"],
    Bool[Tensor, "rows columns"],
]:
    """Gallery index, distance, match and removed of every entry, nearest first; the ones left out come last."""
    lists = ranker.lists
    asked = lists.asked(rows)
    same_person = asked.person[:, None] == columns.person
    removed = (columns.person == JUNK) | (same_person & columns.removed(None, asked, ranker.protocol))
    if not keep_junk:
        distance.masked_fill_(removed, torch.inf)
    distance, order = distance.sort(dim=1, stable=True)
    index = columns.index[order].masked_fill_(distance.isinf(), -1)
    match, removed = (same_person & ~removed).gather(1, order), removed.gather(1, order)
    return index, distance, match & (index >= 0), removed & (index >= 0)
