"""The ranked list of every query as a file, for the page of a run."""

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.ranking import QueryScores
from reid_lit.evaluation.top import Top
from reid_lit.pages.rankings_file import FORMAT, MATCH, REMOVED, WRONG
from reid_lit.paths import write_text
from reid_lit.records import Shot, absolute_path
from reid_lit.wording import counted


def write_rankings(
    file: Path,
    query: Sequence[Shot],
    gallery: Sequence[Shot],
    top: Top,
    scores: QueryScores,
    *,
    k: int,
    about: dict[str, Any],
) -> Path:
    """Write every query with its scores and its list; ranks and scores are those of the metric.

    ``query`` and ``gallery`` hold columns (path, person, camera from 1; where there is one, the range of the values),
    ``gallery`` of the images that some list
    shows; ``top``, ``distance`` and ``mark`` hold a row for each query: places in ``gallery``, distances, and a letter:
    :data:`MATCH`, :data:`WRONG` or :data:`REMOVED`. ``first`` is the rank of the first true match after removal, from
    1, null without one; ``match`` its place in ``gallery``.

    Args:
        file: Where to write; its folder is made.
        query: All query shots.
        gallery: All gallery shots.
        top: The nearest entries of *all* queries; removed ones may be among them.
        scores: The scores of all queries.
        k: Entries of a list, removed ones not counted.
        about: More entries of the file, in JSON's types.

    Raises:
        ValueError: ``top`` does not have one row for each query.
    """
    if top.rows.tolist() != list(range(len(query))):
        raise InputError(
            f"{counted(len(top.rows), 'row')} of top() for {counted(len(query), 'query', 'queries')};"
            " give all, in order"
        )
    kept = _kept(top, k)
    lists = [row[keep].tolist() for row, keep in zip(top.gallery, kept, strict=True)]
    firsts = scores.first_match_index.tolist()
    place = {index: slot for slot, index in enumerate(sorted({*chain.from_iterable(lists), *firsts} - {-1}))}
    content = about | {
        "format": FORMAT,
        "k": k,
        "query": _columns(query),
        "gallery": _columns(gallery[index] for index in place),
        "ap": _or_none(scores.average_precision.tolist(), scores),
        "first": _or_none(scores.first_match.tolist(), scores),
        "match": [place.get(index) for index in firsts],
        "matches": scores.matches.tolist(),
        "top": [[place[index] for index in row] for row in lists],
        "distance": [
            [round(value, 5) for value in row[keep].tolist()] for row, keep in zip(top.distance, kept, strict=True)
        ],
        "mark": [_marks(top, row, keep) for row, keep in enumerate(kept)],
    }
    return write_text(file, json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False))


def _kept(top: Top, k: int) -> Bool[Tensor, "rows columns"]:
    """The entries up to the k-th that is not removed."""
    there = top.gallery >= 0
    counted = (there & ~top.removed).cumsum(1)
    return there & (counted <= k) & ~(top.removed & (counted == k))


def _columns(shots: Iterable[Shot]) -> dict[str, list[Any]]:
    shots = list(shots)
    ranges = [shot.value_range for shot in shots]
    return {
        "path": [absolute_path(shot.path) for shot in shots],
        "person": [shot.person_id for shot in shots],
        "camera": [shot.camera_id + 1 for shot in shots],
        **({"value_range": ranges} if any(ranges) else {}),
    }


def _or_none(values: list[Any], scores: QueryScores) -> list[Any]:
    """The values, None where a query has no match."""
    return [value if valid else None for value, valid in zip(values, scores.valid.tolist(), strict=True)]


def _marks(top: Top, row: int, keep: Bool[Tensor, " columns"]) -> str:
    pairs = zip(top.match[row, keep].tolist(), top.removed[row, keep].tolist(), strict=True)
    return "".join(REMOVED if removed else MATCH if match else WRONG for match, removed in pairs)
