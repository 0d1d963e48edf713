"""The results of a run: rows of scores, their means over splits, the printed table."""

import statistics
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.evaluation import catalogue
from reid_lit.kinds import read_kind, said
from reid_lit.run.detail_tables import Row, cell, detail_tables
from reid_lit.run.folder import Run
from reid_lit.wording import counted

_COMPARED = {"pooled": "pooled parts"}
"""What is compared, in words, where its name says too little."""


def averaged(rows: Sequence[Row]) -> list[Row]:
    """A row for each test: its only row, or the mean and the standard deviation over its splits.

    A data set whose tests belong together (VIPeR's two directions) gets a row of their mean first; its deviation is
    that of the splits' means.

    Args:
        rows: The rows of all splits, from :func:`reid_lit.testing.tests.run_tests`.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("average"):
            groups.setdefault(row["average"], [])
        groups.setdefault(row["dataset"], []).append(row)
    for name, group in groups.items():
        together = [row for row in rows if row.get("average") == name]
        by_split: dict[tuple[int | None, int | None], list[Row]] = {}
        for row in together:
            by_split.setdefault((row.get("round"), row.get("split_id")), []).append(row)
        group += [_joined(name, part) for part in by_split.values()]
    return [_over_splits(group) for group in groups.values()]


def _joined(name: str, rows: Sequence[Row]) -> Row:
    """The mean of the tests of one split."""
    scores = {key: statistics.fmean(row["scores"][key] for row in rows) for key in _shared(rows)}
    stamp = _agreed(rows) | {"mean_of": [row["dataset"] for row in rows]}
    kept = {key: value for key, value in rows[0].items() if key != "details"}  # thresholds have no mean
    return kept | {"dataset": name, "scores": scores, "stamp": stamp, "test_seconds": _seconds(rows)}


def _over_splits(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return {key: value for key, value in rows[0].items() if key != "average"}
    values = {key: [row["scores"][key] for row in rows] for key in _shared(rows)}
    return {
        "dataset": rows[0]["dataset"],
        "splits": [row.get("split_id") for row in rows],
        "scores": {key: statistics.fmean(parts) for key, parts in values.items()},
        "deviations": {key: statistics.stdev(parts) for key, parts in values.items()},
        "stamp": _agreed(rows) | {"splits": len(rows)},
        "test_seconds": _seconds(rows),
    }


def _shared(rows: Sequence[Row]) -> list[str]:
    return [key for key in rows[0]["scores"] if all(key in row["scores"] for row in rows)]


def _agreed(rows: Sequence[Row]) -> dict[str, Any]:
    """The stamp's entries on which all rows agree; of the others, a list with one value for each row."""
    stamps = [row["stamp"] for row in rows]
    return {
        key: value if all(stamp.get(key) == value for stamp in stamps) else [stamp.get(key) for stamp in stamps]
        for key, value in stamps[0].items()
    }


def _seconds(rows: Sequence[Row]) -> float:
    return round(sum(row["test_seconds"] for row in rows), 1)


def record(run: Run, config: DictConfig, facts: dict[str, Any], rows: Sequence[Row]) -> list[Row]:
    """Write ``metrics.json``, print the table, and return the rows of that table.

    Args:
        run: The folder.
        config: Of the run.
        facts: What only this command knows, such as ``trained_on``, the data set of the training.
        rows: One for each test and split; the splits of a test are averaged.
    """
    results = averaged(rows)
    common = {"name": config.name, "seed": config.seed}
    parts = {"splits": list(rows)} if any("deviations" in result for result in results) else {}
    run.write_json("metrics.json", common | facts | {"results": results} | parts)
    console = Console()
    if not results:
        reason = "no person is known on the images of this run" if config.test_on is not None else "test_on=null"
        console.print(said(f"No test: {reason}. Test it on others with"))
        console.print(f"  python -m reid_lit.evaluate run={run.folder} test_on=[<a labelled set>]", soft_wrap=True)
    for table in (_table(results), *detail_tables(results)) if results else ():
        console.print(table)
    for result in results:
        console.print(escape(f"{result['dataset']}: {sentence(result['stamp'])}"), style="dim")
    console.print(f"Everything of this run is in [bold]{escape(str(run.folder))}[/bold]", soft_wrap=True)
    for picture in sorted(run.folder.glob("pictures/**/[!.]*.png")):
        console.print(f"  {picture.relative_to(run.folder)}", markup=False, soft_wrap=True)
    return results


def _table(results: Sequence[Row]) -> Table:
    spread = any("deviations" in result for result in results)
    title = "Retrieval scores in %" + (", mean ± standard deviation over splits" if spread else "")
    times = [] if spread else ["seconds"]  # mean and deviation fill 80 columns
    columns = catalogue.columns({key for result in results for key in result["scores"]})
    table = Table("data set", *map(catalogue.heading, columns), *times, title=title)
    for column in table.columns:
        column.no_wrap = True
        column.justify = "right"
    table.columns[0].justify = "left"
    for result in results:
        seconds = [f"{result['test_seconds']:.1f}" for _ in times]
        table.add_row(result["dataset"], *(cell(result, key) for key in columns), *seconds)
    return table


def sentence(stamp: dict[str, Any]) -> str:
    """A protocol stamp in words."""
    parts = [*_averages(stamp), *_scoring(stamp), *_neighbours(stamp), *_images(stamp), *_dropped(stamp)]
    return said("; ".join(parts), read_kind(stamp.get("kind")))


def _averages(stamp: dict[str, Any]) -> list[str]:
    """Over what a row of results is a mean."""
    parts = []
    if "splits" in stamp:
        parts.append(f"mean over {counted(stamp['splits'], 'split')}")
    if "mean_of" in stamp:
        parts.append(f"mean of {' and '.join(stamp['mean_of'])}")
    return parts


def _scoring(stamp: dict[str, Any]) -> list[str]:
    """The conventions of the scores, and the feature that is compared."""
    parts = [f"protocol {stamp['protocol']}", f"AP by {stamp['ap']}" if stamp["ap"] != "none" else "no AP"]
    if stamp["gallery"] != "all images":
        parts.append(f"gallery: {stamp['gallery']}")
    note = f" ({stamp['camera_rule_note']})" if stamp.get("camera_rule_note") else ""
    parts.append(f"camera rule {stamp['camera_rule']}{note}")
    if "clothes_rule" in stamp:
        parts.append(f"clothes rule {stamp['clothes_rule']}")
    parts.append(f"{stamp['distance']} distance of the {_COMPARED.get(stamp['feature'], stamp['feature'])}")
    if "tracks" in stamp:
        ranked = "images against tracks" if stamp["tracks"].get("queries") == "images" else "of tracks"
        parts.append(f"{ranked}: {stamp['tracks']['pooling']} of {counted(stamp['tracks']['images'], 'image')}")
    if "local" in stamp:
        parts.append(stamp["local"])
    parts.append(f"test-time augmentation: {stamp['test_time_augmentation']}")
    if isinstance(stamp.get("identification"), str):
        parts.append(f"identification: {stamp['identification']}")
    return parts


def _neighbours(stamp: dict[str, Any]) -> list[str]:
    """Expansion, re-ranking, the weights, and how neighbours were searched."""
    parts = [f"re-ranking: {stamp['reranking']}"]
    if stamp.get("expansion", "none") != "none":
        parts.insert(0, f"expansion: {stamp['expansion']}")
    if isinstance(stamp.get("weights"), str):
        parts.append(f"weights of {stamp['weights']}")
    said = (("norms", "batch norms"), ("training", "training"))
    parts += [f"{words}: {stamp[key]}" for key, words in said if isinstance(stamp.get(key), str)]
    if stamp.get("neighbours", "exact") != "exact":
        parts.append(f"neighbours: {stamp['neighbours']}")
    return parts


def _dropped(stamp: dict[str, Any]) -> list[str]:
    return [note for note in stamp.get("notes", ()) if "dropped" in note]


def _images(stamp: dict[str, Any]) -> list[str]:
    """Queries and gallery images; nothing for a mean over splits whose numbers differ."""
    if isinstance(stamp["images"], list):
        return []
    lost = sum(stamp["without_match"].values()) if isinstance(stamp["without_match"], dict) else 0
    unmatched = f" ({lost} more have no match: {stamp['without_match']})" if lost else ""
    streamed = f", {stamp['streamed']} of them streamed" if "streamed" in stamp else ""
    counts = f"{stamp['junk']} junk, {counted(stamp['distractors'], 'distractor')}{streamed}"
    gallery = f"{counted(stamp['images']['gallery'], 'gallery image')} ({counts})"
    return [f"{counted(stamp['valid_queries'], 'query', 'queries')}{unmatched}", gallery]
