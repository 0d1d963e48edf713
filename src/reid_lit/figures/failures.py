"""The queries that a model fails worst, as a picture and as a file to read by machine."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from reid_lit.errors import InputError
from reid_lit.evaluation.ranking import QueryScores
from reid_lit.evaluation.top import Top
from reid_lit.figures.ranked import ranked_lists
from reid_lit.figures.tiles import write_picture
from reid_lit.paths import write_text
from reid_lit.records import Shot
from reid_lit.wording import counted


def failure_report(
    directory: Path,
    query: Sequence[Shot],
    gallery: Sequence[Shot],
    top: Top,
    scores: QueryScores,
    *,
    number: int = 10,
    title: str = "",
) -> tuple[Path, Path]:
    """Write ``failures.png`` and ``failures.json``: the queries whose first true match ranks last, worst first.

    The JSON has ``failures``, with the ten nearest of each, and ``queries``, a short entry for every query; rank-1 can
    be counted from it. Ranks count from 1 after removal. A query without a match has ``first_match_rank`` null and is
    no failure of the model.

    Source: the cases of the softmax report, section 6.

    Args:
        directory: Where to write; made when missing.
        query: All query shots.
        gallery: All gallery shots.
        top: The nearest entries of *all* queries, removed ones left out.
        scores: The scores of all queries.
        number: Failures to show.
        title: Data set and protocol, for instance.

    Returns:
        The paths of picture and JSON.

    Raises:
        ValueError: ``top`` does not have one row for each query, or keeps removed entries.
    """
    _check(query, top, scores)
    worst = worst_queries(scores, number)
    report = {
        "title": title,
        "failures": [_failure(query, gallery, top, scores, row) for row in worst],
        "queries": [_entry(query, gallery, top, scores, row) for row in range(len(query))],
    }
    text = json.dumps(report, indent=1, ensure_ascii=False)
    data = write_text(directory / "failures.json", text)
    shown = select(top, worst or [0])
    image = ranked_lists(query, gallery, shown, title=title, scores=scores)
    return write_picture(directory / "failures.png", image), data


def worst_queries(scores: QueryScores, number: int) -> list[int]:
    """The queries with a match whose first one ranks last, worst first; equal ranks by average precision."""
    rows = scores.valid.nonzero()[:, 0]
    rows = rows[scores.average_precision[rows].argsort(stable=True)]
    rows = rows[scores.first_match[rows].argsort(descending=True, stable=True)]
    return rows[:number].tolist()


def select(top: Top, rows: Sequence[int]) -> Top:
    """Some rows of ``top``, which has one for each query."""
    places = torch.tensor(rows, dtype=torch.int64)
    names = ("rows", "gallery", "distance", "match", "removed")
    return replace(top, **{name: getattr(top, name)[places] for name in names})


def _check(query: Sequence[Shot], top: Top, scores: QueryScores) -> None:
    if top.rows.tolist() != list(range(len(query))) or len(scores.cause) != len(query):
        raise InputError(
            f"{counted(len(top.rows), 'row')} of top() and {counted(len(scores.cause), 'score')} for"
            f" {counted(len(query), 'query', 'queries')}; give all, in order"
        )
    if top.removed.any():
        raise InputError("top() keeps removed entries, so its places are no ranks; call it without keep_junk")


def _entry(
    query: Sequence[Shot], gallery: Sequence[Shot], top: Top, scores: QueryScores, row: int
) -> dict[str, object]:
    """A query in short."""
    matched = bool(scores.valid[row])
    first = int(top.gallery[row, 0])
    return {
        "index": row,
        "file": query[row].path.name,
        "first_match_rank": int(scores.first_match[row]) if matched else None,
        "ap": float(scores.average_precision[row]) if matched else None,
        "top1": gallery[first].path.name if first >= 0 else None,
        "top1_is_match": bool(top.match[row, 0]),
    }


def _failure(
    query: Sequence[Shot], gallery: Sequence[Shot], top: Top, scores: QueryScores, row: int
) -> dict[str, object]:
    """A query at length."""
    places = [place for place in range(min(10, top.gallery.shape[1])) if top.gallery[row, place] >= 0]
    return _entry(query, gallery, top, scores, row) | {
        "person": query[row].person_id,
        "camera": query[row].camera_id + 1,
        "matches": int(scores.matches[row]),
        "first_match": gallery[int(scores.first_match_index[row])].path.name,
        "matches_in_top10": int(top.match[row, :10].sum()),
        "top10": [
            {
                "file": gallery[int(top.gallery[row, place])].path.name,
                "distance": float(top.distance[row, place]),
                "is_match": bool(top.match[row, place]),
            }
            for place in places
        ],
    }
