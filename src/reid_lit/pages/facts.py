"""What a page says in words and figures about a run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reid_lit.evaluation.catalogue import heading, is_ratio
from reid_lit.run.detail_tables import NOTHING, cell
from reid_lit.run.results import sentence

KEYS = ("name", "seed", "backbone.name", "loader.batch_size", "trainer.max_epochs", "optimizer.lr", "transform.size")
"""What of the config stands on the page; all of it is in config.yaml."""


def number(report: Mapping[str, Any], metric: str, value: float, *, sign: bool = False) -> str:
    """A number of a table's report with the paper's decimals; of a ratio with three.

    >>> number({"unit": "percent", "digits": 2}, "mAP", -1.234, sign=True), number({"unit": "percent"}, "R", 0.4)
    ('−1.23', '0.400')
    """
    digits = report.get("digits", 1 if report["unit"] == "percent" else 3)
    digits = digits.get(metric, 1) if isinstance(digits, Mapping) else 3 if is_ratio(metric) else digits
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def scores_of(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each data set's scores in percent, with their intervals, its protocol in words and its pairs of cameras."""
    return [
        {
            "dataset": result["dataset"],
            "protocol": in_words(result["stamp"]),
            "rows": [_score(dict(result), name) for name in result["scores"]],
            "nd": "rank1_nd" in result["scores"],
            "level": result.get("details", {}).get("bootstrap", {}).get("level"),
            "pairs": _pairs(result.get("details", {}).get("camera_pairs", [])),
        }
        for result in results
    ]


def in_words(stamp: Mapping[str, Any]) -> str:
    """A protocol stamp in words; one that lacks what ours have, as it is."""
    try:
        return sentence(dict(stamp))
    except KeyError:
        return "; ".join(f"{name}: {value}" for name, value in stamp.items())


def _score(result: dict[str, Any], name: str) -> dict[str, str]:
    ends = result.get("details", {}).get("bootstrap", {}).get("intervals", {}).get(name)
    interval = f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else ""
    value = cell(result, name)
    unit = "" if value == NOTHING or is_ratio(name) else " %"
    return {"name": heading(name), "value": f"{value}{unit}", "interval": interval}


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The pairs as a square: rows are the queries' cameras, columns the gallery's."""
    order = {f"c{number}": number for number in range(1, 1000)}
    rows, columns = (
        sorted({pair[side] for pair in pairs}, key=lambda name: order.get(name, 0)) for side in ("query", "gallery")
    )
    return {"rows": rows, "columns": columns, "cells": {f"{one['query']} {one['gallery']}": one for one in pairs}}


def facts_of(folder: Path, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of what is known of how a run came about."""
    file = folder / "environment.json"
    starts = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return [
        *_settings(folder / "config.yaml"),
        ("trained on", str(record.get("trained_on", "unknown"))),
        *([("training", duration(record["train_seconds"]))] if "train_seconds" in record else []),
        *([("tests", duration(sum(one["test_seconds"] for one in record["results"])))] if record["results"] else []),
        *(_start(starts[-1]) if starts else []),
        *[("command", start["command"]) for start in starts],
        ("folder", str(folder.resolve())),
    ]


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
