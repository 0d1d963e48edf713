"""Scores of runs as bars, and a table's published scores beside ours."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from reid_lit.errors import InputError, MissingFileError
from reid_lit.evaluation import catalogue
from reid_lit.figures.bars import Score, bars_figure, published_figure
from reid_lit.paper_figures.logs import Runs, labelled
from reid_lit.paper_figures.paper_figure import PaperFigure

_STAMP = {"ap": "AP by {}", "distance": "{} distance", "feature": "retrieval by {}", "test_time_augmentation": "{}"}


def scores(_: DictConfig, *, runs: Runs, by: str, metrics: Sequence[str], dataset: str | None) -> PaperFigure:
    """Bars of what runs scored, in their order.

    Args:
        runs: The runs' folders, of trainings or evaluations.
        by: What a run without a label is called by, see :func:`reid_lit.paper_figures.logs.labelled`.
        metrics: Names of scores in ``metrics.json``.
        dataset: Which result of a run; None: its first.

    Raises:
        ValueError: no run is given, or one has no such result.
        FileNotFoundError: a run is not finished.
    """
    found = {name: _result(folder, dataset) for name, folder in labelled(runs, by=by).items()}
    rows = {
        name: {
            catalogue.label(metric): _percent(result["scores"][metric], result.get("deviations", {}).get(metric))
            for metric in metrics
            if metric in result["scores"]
        }
        for name, result in found.items()
    }
    names = sorted({result["dataset"] for result in found.values()})
    how = shared_protocol([result["stamp"] for result in found.values()])
    how += ["± standard deviation over splits"] if any("deviations" in result for result in found.values()) else []
    title = f"{' and '.join(rows[next(iter(rows))])} on {', '.join(names)}: {', '.join(how)}"
    numbers = {name: {"dataset": result["dataset"], "scores": result["scores"]} for name, result in found.items()}
    return PaperFigure(figure=bars_figure(rows, title=title), numbers=numbers)


def _result(folder: Path, dataset: str | None) -> dict[str, Any]:
    file = folder / "metrics.json"
    if not file.is_file():
        raise MissingFileError(f"no {file.resolve()}; give the folder of a finished run")
    results = json.loads(file.read_text())["results"]
    named = [result for result in results if dataset in (None, result["dataset"])]
    if not named:
        known = ", ".join(result["dataset"] for result in results)
        raise InputError(f"{folder} has no result on {dataset}; figure.dataset is one of {known}")
    return named[0]


def shared_protocol(stamps: Sequence[Mapping[str, Any]]) -> list[str]:
    """What all stamps say, in words; what they say differently is named as such.

    >>> shared_protocol([{"ap": "step", "distance": "cosine"}, {"ap": "step", "distance": "euclidean"}])
    ['AP by step', 'distance differs']
    """
    words = []
    for key, text in _STAMP.items():
        values = {str(stamp[key]) for stamp in stamps if key in stamp}
        if len(values) == 1 and (value := values.pop()) != "none":
            words.append(text.format(value))
        elif len(values) > 1:
            words.append(f"{key.replace('_', ' ')} differs")
    return words


def table(_: DictConfig, *, report: str | None) -> PaperFigure:
    """A table's published scores and ours, a panel for each metric on each data set.

    What was measured on other data than the paper's stands alone: the published scores are left out there.

    Args:
        report: The table's ``report.json``.

    Raises:
        ValueError: no report is given, or there is nothing in it to draw.
        FileNotFoundError: there is no such file.
    """
    if report is None:
        raise InputError("no table is given: report=tables/strong/table1/report.json, which a table's sweep writes")
    file = Path(report).expanduser()
    if not file.is_file():
        raise MissingFileError(f"no {file.resolve()}; python -m reid_lit.report <paper>/<table> writes it")
    found = json.loads(file.read_text())
    scale = 1.0 if found["unit"] == "percent" else 100.0
    cells = [cell for row in found["rows"] for cell in row["cells"].values() if cell.get("ours")]
    reproduced = not cells or any(cell.get("reproduction") for cell in cells)
    panels = {
        f"{label}: {catalogue.label(metric)}": {
            row["name"]: _pair(row["cells"].get(label) or {}, metric, scale, reproduced) for row in found["rows"]
        }
        for label in dict.fromkeys(label for row in found["rows"] for label in row["cells"])
        for metric in found["metrics"]
    }
    shown = {name: rows for name, rows in panels.items() if any(pair != (None, None) for pair in rows.values())}
    how = shared_protocol([cell["stamp"] for cell in cells if cell.get("stamp")])
    data = [] if reproduced else ["not the paper's data: no reproduction"]
    title = f"{found['title']} ({found['source']}): {', '.join([*data, *how]) or 'nothing was run yet'}"
    most = max((each["n"] for cell in cells for each in cell["ours"].values()), default=1)
    ours = "ours" if most == 1 else f"ours: mean ± standard deviation of up to {most} seeds"
    return PaperFigure(figure=published_figure(shown, ours=ours, title=title), numbers=_numbers(shown))


def _pair(cell: Mapping[str, Any], metric: str, scale: float, reproduced: bool) -> tuple[Score | None, Score | None]:
    printed, ours = (cell.get("published") or {}).get(metric), (cell.get("ours") or {}).get(metric)
    told = Score(scale * float(printed)) if reproduced and isinstance(printed, int | float) else None
    if not ours or (reproduced and not cell.get("reproduction")):
        return told, None
    deviation = ours.get("sd")
    return told, Score(scale * ours["mean"], None if deviation is None else scale * deviation)


def _numbers(panels: Mapping[str, Mapping[str, tuple[Score | None, Score | None]]]) -> dict[str, Any]:
    return {
        name: {
            row: {"published": told and told.value, "ours": ours and ours.value, "deviation": ours and ours.deviation}
            for row, (told, ours) in rows.items()
        }
        for name, rows in panels.items()
    }


def _percent(value: float, deviation: float | None) -> Score:
    """A share as a score in %."""
    return Score(100 * value, None if deviation is None else 100 * deviation)
