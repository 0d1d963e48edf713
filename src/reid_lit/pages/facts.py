"""Scores and facts of a run as a page prints them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reid_lit.evaluation.catalogue import LEVEL, heading, is_ratio
from reid_lit.run.detail_tables import NOTHING, cell, intervals_of
from reid_lit.run.folder import Run
from reid_lit.run.results import sentence
from reid_lit.run.start_weights import kept_start_weights

KEYS = ("name", "seed", "backbone.name", "loader.batch_size", "trainer.max_epochs", "optimizer.lr", "transform.size")
"""The keys of the config that the page shows; config.yaml has all."""


def number(report: Mapping[str, Any], metric: str, value: float, *, sign: bool = False) -> str:
    """A number of a table's report, with the paper's decimals; a ratio has three.

    >>> number({"unit": "percent", "digits": 2}, "mAP", -1.234, sign=True), number({"unit": "percent"}, "R", 0.4)
    ('−1.23', '0.400')
    """
    digits = _digits(report, metric)
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def _digits(report: Mapping[str, Any], metric: str) -> int:
    """Decimals of a metric: by metric, for the whole table, or by its unit."""
    digits = report.get("digits", 1 if report["unit"] == "percent" else 3)
    if isinstance(digits, Mapping):
        return digits.get(metric, 1)
    return 3 if is_ratio(metric) else digits


def scores_of(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each data set's scores in percent, its intervals, protocol in words and its pairs of cameras and of views."""
    return [
        {
            "dataset": result["dataset"],
            "protocol": in_words(result["stamp"]),
            "rows": [_score(dict(result), name) for name in result["scores"]],
            "nd": "rank1_nd" in result["scores"],
            "level": LEVEL,
            "pairs": _pairs(result.get("details", {}).get("camera_pairs", [])),
            "views": _views(result.get("details", {}).get("view_pairs", {})),
        }
        for result in results
    ]


def in_words(stamp: Mapping[str, Any]) -> str:
    """A protocol stamp in words; a stamp that lacks an entry of ours is listed as it is."""
    try:
        return sentence(dict(stamp))
    except KeyError:
        return "; ".join(f"{name}: {value}" for name, value in stamp.items())


def _score(result: dict[str, Any], name: str) -> dict[str, str]:
    ends = intervals_of(result).get(name)
    interval = f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else ""
    value = cell(result, name)
    unit = "" if value == NOTHING or is_ratio(name) else " %"
    return {"name": heading(name), "value": f"{value}{unit}", "interval": interval}


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The pairs as a square: rows are the queries' cameras, columns the gallery's."""
    rows, columns = (sorted({pair[side] for pair in pairs}, key=_number_of) for side in ("query", "gallery"))
    cells = {f"{pair['query']} {pair['gallery']}": pair for pair in pairs}
    return {"rows": rows, "columns": columns, "cells": cells}


def _views(views: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs of views as a table: a row for each view of a query; the gallery's own, all others, and each view."""
    pairs = views.get("pairs", [])
    rows, columns = (sorted({pair[side] for pair in pairs}) for side in ("query", "gallery"))
    cells = {(pair["query"], pair["gallery"]): pair for pair in pairs}
    together = [
        (name, views[key]) for key, name in (("same", "the same view"), ("other", "other views")) if key in views
    ]
    return {
        "columns": columns,
        "together": together,
        "rows": [(row, [cells.get((row, c)) for c in columns]) for row in rows],
    }


def _number_of(camera: str) -> int:
    """A camera's number in its name, ``c12``; 0 where the name is another one."""
    number = camera.removeprefix("c")
    return int(number) if number.isdecimal() else 0


def facts_of(run: Run, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How a run came about: names and values.

    Args:
        run: A training or an evaluation.
        record: Its ``metrics.json``.
    """
    starts, weights = run.starts(), kept_start_weights(run)
    facts = [*_settings(run.folder / "config.yaml"), ("trained on", str(record.get("trained_on", "unknown")))]
    if weights:
        facts.append(("starts from", "ImageNet weights of {package} {version}, licence {licence}".format(**weights)))
    if "train_seconds" in record:
        facts.append(("training", duration(record["train_seconds"])))
    if record["results"]:
        facts.append(("tests", duration(sum(result["test_seconds"] for result in record["results"]))))
    if starts:
        facts += _start(starts[-1])
    facts += [("command", start["command"]) for start in starts]
    return [*facts, ("folder", str(run.folder.resolve()))]


def _settings(file: Path) -> list[tuple[str, str]]:
    if not file.is_file():
        return []
    config = OmegaConf.load(file)
    values = {key: OmegaConf.select(config, key) for key in KEYS}
    return [(key, str(value)) for key, value in values.items() if value is not None]


def _start(start: Mapping[str, Any]) -> list[tuple[str, str]]:
    changed = ", with uncommitted changes" if start["git_uncommitted_changes"] else ""
    return [
        ("started", start["time"].replace("T", " ")),
        ("machine", f"{start['machine']}; {', '.join(start['gpus']) or _cpu(start)}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in start["packages"].items())),
        ("commit", f"{start['git_commit'] or 'none: installed from a wheel'}{changed}"),
    ]


def _cpu(start: Mapping[str, Any]) -> str:
    return f"no GPU, {start['threads']} of its threads"


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(8.44), duration(250), duration(9000)
    ('8.4 s', '4.2 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
