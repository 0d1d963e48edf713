"""The health of an adaptation by epoch, which reads no label (in no paper)."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from reid_lit.errors import InputError, MissingFileError
from reid_lit.figures.series import Panel, Points, series_figure
from reid_lit.paper_figures.logs import settings
from reid_lit.paper_figures.paper_figure import PaperFigure

_DOMAINS = ("source", "target")


def health(_: DictConfig, *, run: str | None, panels: Mapping[str, Mapping[str, Any]], columns: int) -> PaperFigure:
    """Small multiples of a run's ``health.csv``, with the limits beyond which it would have been stopped.

    Args:
        run: The run's folder; it trained with ``callbacks=adaptation``.
        panels: By what is on the y axis: ``figures``, curve by curve {name: column of health.csv}, or ``of``, a
            figure of each domain; ``limit``, a key of ``callbacks.health.limits``; ``scale``. What was not measured is
            left out.
        columns: Panels of a row.

    Raises:
        ValueError: no run is given, or it holds none of the figures.
        FileNotFoundError: it has no ``health.csv``.
    """
    if run is None:
        raise InputError("no run is given: run=runs/duke_to_market_arn/<time>")
    folder = Path(run).expanduser()
    measured, config = _measured(folder), settings(folder)
    limits = config["callbacks"]["health"]["limits"]
    drawn = {}
    for title, panel in panels.items():
        scale, limit = panel.get("scale", "linear"), limits.get(panel.get("limit"))
        if curves := _curves(measured, panel):
            drawn[title] = Panel(x="epoch", y=title, curves=curves, scale=scale, limit=limit)
    if not drawn:
        raise InputError(f"{folder / 'health.csv'} has none of {', '.join(panels)}, only {', '.join(measured)}")
    title = f"Health without labels, {config['name']}, {_data_sets(config)}"
    numbers = {title: drawing.curves for title, drawing in drawn.items()}
    return PaperFigure(figure=series_figure(list(drawn.values()), title=title, columns=columns), numbers=numbers)


def _curves(measured: Mapping[str, Points], panel: Mapping[str, Any]) -> dict[str, Points]:
    figures = panel.get("figures") or {domain: f"{domain}_{panel['of']}" for domain in _DOMAINS}
    return {name: measured[column] for name, column in figures.items() if column in measured}


def _measured(folder: Path) -> dict[str, Points]:
    """Epochs and values by column; 0 is before training."""
    file = folder / "health.csv"
    if not file.is_file():
        raise MissingFileError(f"no {file.resolve()}; give the folder of a run that trained with callbacks=adaptation")
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    points: dict[str, Points] = {}
    for name in rows[0]:
        filled = [row for row in rows if row[name]]
        if name != "epoch" and filled:
            points[name] = ([int(row["epoch"]) for row in filled], [float(row[name]) for row in filled])
    return points


def _data_sets(config: Mapping[str, Any]) -> str:
    """What was adapted to what, in words."""
    dataset = config["dataset"]
    if "source" in dataset:
        return f"{_name(dataset['source'])} to {_name(dataset['target'])}"
    return _name({"dataset": Path(str(dataset.get("root", "?"))).name} | dict(dataset))


def _name(entry: Any) -> str:
    if isinstance(entry, Sequence) and not isinstance(entry, str):
        return " + ".join(map(_name, entry))
    if isinstance(entry, str):
        return entry
    return " ".join(str(entry[key]) for key in ("dataset", "world", "size") if key in entry)
