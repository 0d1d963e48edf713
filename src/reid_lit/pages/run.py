"""The page of a run: scores, curves, pictures, and a browser of all queries."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from reid_lit.errors import MissingFileError
from reid_lit.kinds import kind_of_stamps, said
from reid_lit.pages.charts import cmc_chart, learning_charts
from reid_lit.pages.facts import facts_of, scores_of
from reid_lit.pages.rankings_file import Ranking, read_rankings
from reid_lit.pages.render import data_uri, write_page
from reid_lit.pages.thumbnails import ThumbnailSize, thumbnails
from reid_lit.run.folder import Run

DRAWN_ANEW = {"learning.png", "cmc.png", "ranked_lists.png", "failures.png"}
"""Pictures that the page draws itself, in a form that the reader can filter."""


def run_page(folder: Path, output: Path, size: ThumbnailSize, *, embed: bool | int) -> Path:
    """Write the page of a run, or of an evaluation of one, and the small copies of its images.

    Args:
        folder: The run's folder; its ``metrics.json`` and ``rankings.json`` are read.
        output: The page; images that are not in it are in ``images/`` next to it.
        size: How images are made small.
        embed: Whether images are in the page itself; a number: only when there are no more than so many.

    Raises:
        FileNotFoundError: the folder has no results.
        ValueError: its rankings were written by another version.
    """
    run = Run(folder)
    record = run.metrics()
    if not record:
        file = folder.resolve() / "metrics.json"
        raise MissingFileError(f"no {file}; give run=<folder of a finished run or evaluation>")
    names = [result["dataset"] for result in record["results"]]
    rankings = sorted(read_rankings(folder), key=lambda ranking: _place(ranking["dataset"], names))
    ranges = dict(pair for ranking in rankings for side in ("query", "gallery") for pair in _ranges(ranking[side]))
    within = embed if isinstance(embed, bool) else len(ranges) <= embed
    images = thumbnails(sorted(ranges), None if within else output.parent / "images", size, ranges=ranges)
    firsts = {ranking["dataset"]: [rank for rank in ranking["first"] if rank] for ranking in rankings}
    curve = cmc_chart(firsts)
    kind = kind_of_stamps(result["stamp"] for result in record["results"])
    return write_page(
        output,
        "run.html",
        title=str(record["name"]),
        folder=str(folder),
        trained_on=str(record.get("trained_on", "unknown data")),
        scores=scores_of(record["results"]),
        facts=facts_of(run, record),
        charts=learning_charts(run.log),
        curves=[curve] if curve else [],
        pictures=_pictures(folder, output, within, redrawn=bool(rankings)),
        rankings=[_shown(ranking, images) for ranking in rankings],
        shape={"width": size.width, "height": size.height},
        kind=kind,
        task=said("Person re-identification", kind),
    )


def _ranges(side: Ranking) -> Iterator[tuple[str, tuple[float, float] | None]]:
    """Each image of a list with the range of its values."""
    for path, ends in zip(side["path"], side.get("value_range") or [None] * len(side["path"]), strict=True):
        yield path, None if ends is None else (float(ends[0]), float(ends[1]))


def _place(dataset: str, names: Sequence[str]) -> int:
    """Where the results name a data set; a split's name begins as its data set's."""
    return names.index(dataset) if dataset in names else len(names)


def _shown(ranking: Ranking, images: dict[str, str | None]) -> Ranking:
    """What the page's browser needs: paths below a common folder, and where the small images are."""
    root = _root([path for side in ("query", "gallery") for path in ranking[side]["path"]])
    sides = {
        side: ranking[side]
        | {
            "path": [os.path.relpath(path, root) for path in ranking[side]["path"]],
            "image": [images[path] for path in ranking[side]["path"]],
        }
        for side in ("query", "gallery")
    }
    return ranking | sides | {"root": root}


def _root(paths: Sequence[str]) -> str:
    """The folder that all images lie below."""
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120 - thousands of plain texts
    except ValueError:  # two drives have nothing in common
        return os.path.sep


def _pictures(folder: Path, output: Path, within: bool, *, redrawn: bool) -> list[dict[str, str]]:
    """Name and address of the pictures of a run that the page does not draw itself."""
    files = sorted({*folder.glob("pictures/**/[!.]*.png"), *folder.glob("figures/[!.]*.png")})
    return [
        {
            "name": file.relative_to(folder).with_suffix("").as_posix(),
            "address": _address(file, output, within),
        }
        for file in files
        if not (redrawn and file.name in DRAWN_ANEW) and file.name != "learning.png"
    ]


def _address(file: Path, output: Path, within: bool) -> str:
    """The picture itself, or the way to it from the page's folder."""
    if within:
        return data_uri(file.read_bytes(), "image/png")
    return quote(Path(os.path.relpath(file, output.parent)).as_posix())
