"""The log of a training as columns; free of the packages that draw."""

from pathlib import Path

from reid_lit.files.log import read_log

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
    rows = read_log(metrics)
    along = "step" if any("step" in row for row in rows) else "epoch"
    columns: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if along in row and name not in ("epoch", "step"):
                columns.setdefault(name, []).append((float(row[along]), float(value)))
    return along, columns
