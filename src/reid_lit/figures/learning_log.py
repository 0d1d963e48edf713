"""The log of a training as columns; free of the packages that draw."""

import csv
from pathlib import Path

PANELS = {"loss": "loss", "rate": "learning rate", "score": "accuracy, validation"}
"""The panels of the learning curves, by kind, and their titles."""


def kind_of(name: str) -> str | None:
    """Which panel a column belongs in."""
    if name.startswith("lr"):
        return "rate"
    if name.startswith("val/") or "accuracy" in name:
        return "score"
    return "loss" if name.startswith("train/") or "loss" in name else None


def read_columns(metrics: Path) -> tuple[str, dict[str, list[tuple[float, float]]]]:
    """What the x axis counts, and the points of every column that has some."""
    with metrics.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    along = "step" if any(row.get("step") for row in rows) else "epoch"
    columns: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if value and row.get(along) and name not in ("epoch", "step"):
                columns.setdefault(name, []).append((float(row[along]), float(value)))
    return along, columns
