"""Scores of runs as bars, and a table's published scores next to ours."""

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
from reid_lit.run.folder import Run

Report = Mapping[str, Any]
"""A table's ``report.json``."""

Cell = Mapping[str, Any]
"""A cell of a report: a row on one data set."""

Pair = tuple[Score | None, Score | None]
"""A published score and ours."""

_STAMP = {"ap": "AP by {}", "distance": "{} distance", "feature": "retrieval by {}", "test_time_augmentation": "{}"}


def scores(_: DictConfig, *, runs: Runs, by: str, metrics: Sequence[str], dataset: str | None) -> PaperFigure:
    """Draw what runs scored as bars, in the order of the runs.

    Args:
        runs: The runs' folders, of trainings or evaluations.
        by: What a run without a label is called by, see :func:`reid_lit.paper_figures.logs.labelled`.
        metrics: Names of scores in ``metrics.json``.
        dataset: Which result of a run; None: its first.

    Raises:
        ValueError: no run is given, or one has no such result.
        FileNotFoundError: a run is not finished.
    """
    results = {name: _result(Run(folder), dataset) for name, folder in labelled(runs, by=by).items()}
    rows = {name: _bars(result, metrics) for name, result in results.items()}
    datasets = sorted({result["dataset"] for result in results.values()})
    how = shared_protocol([result["stamp"] for result in results.values()])
    if any("deviations" in result for result in results.values()):
        how.append("± standard deviation over splits")
    title = f"{' and '.join(rows[next(iter(rows))])} on {', '.join(datasets)}: {', '.join(how)}"
    numbers = {name: {"dataset": result["dataset"], "scores": result["scores"]} for name, result in results.items()}
    return PaperFigure(figure=bars_figure(rows, title=title), numbers=numbers)


def _bars(result: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Score]:
    """The scores that a result has, in %, by their names for people."""
    measured, deviations = result["scores"], result.get("deviations", {})
    return {
        catalogue.label(metric): _percent(measured[metric], deviations.get(metric))
        for metric in metrics
        if metric in measured
    }


def _result(run: Run, dataset: str | None) -> dict[str, Any]:
    """The result of a run on a data set; None: its first."""
    results = run.metrics().get("results")
    if results is None:
        raise MissingFileError(f"no {run.folder.resolve() / 'metrics.json'}; give the folder of a finished run")
    for result in results:
        if dataset in (None, result["dataset"]):
            return result
    known = ", ".join(result["dataset"] for result in results)
    raise InputError(f"{run.folder} has no result on {dataset}; figure.dataset is one of {known}")


def shared_protocol(stamps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The parts of a protocol on which all stamps agree, in words; a part on which they differ is named as such.

    >>> shared_protocol([{"ap": "step", "distance": "cosine"}, {"ap": "step", "distance": "euclidean"}])
    ['AP by step', 'distance differs']
    """
    words = []
    for key, text in _STAMP.items():
        values = {str(stamp[key]) for stamp in stamps if key in stamp}
        if len(values) > 1:
            words.append(f"{key.replace('_', ' ')} differs")
        elif values and values != {"none"}:
            words.append(text.format(values.pop()))
    return words


def table(_: DictConfig, *, report: str | None) -> PaperFigure:
    """Draw a table's published scores and ours, a panel for each metric on each data set.

    What was measured on other data than the paper's stands alone: the published scores are left out there.

    Args:
        report: The table's ``report.json``.

    Raises:
        ValueError: no report is given, or there is nothing in it to draw.
        FileNotFoundError: there is no such file.
    """
    content = _read_report(report)
    cells = [cell for row in content["rows"] for cell in row["cells"].values() if cell.get("ours")]
    reproduced = not cells or any(cell.get("reproduction") for cell in cells)
    panels = _panels(content, reproduced=reproduced)
    figure = published_figure(panels, ours=_legend(cells), title=_title(content, cells, reproduced=reproduced))
    return PaperFigure(figure=figure, numbers=_numbers(panels))


def _read_report(report: str | None) -> dict[str, Any]:
    if report is None:
        raise InputError("no table is given: report=tables/strong/table1/report.json, which a table's sweep writes")
    file = Path(report).expanduser()
    if not file.is_file():
        raise MissingFileError(f"no {file.resolve()}; python -m reid_lit.report <paper>/<table> writes it")
    return json.loads(file.read_text())


def _panels(report: Report, *, reproduced: bool) -> dict[str, dict[str, Pair]]:
    """By label and metric, then by row: published and ours in %; without the panels that have no number."""
    scale = 1.0 if report["unit"] == "percent" else 100.0
    labels = dict.fromkeys(label for row in report["rows"] for label in row["cells"])
    panels = {}
    for label in labels:
        for metric in report["metrics"]:
            cells = {row["name"]: row["cells"].get(label) or {} for row in report["rows"]}
            pairs = {name: _pair(cell, metric, scale, reproduced=reproduced) for name, cell in cells.items()}
            if any(pair != (None, None) for pair in pairs.values()):
                panels[f"{label}: {catalogue.label(metric)}"] = pairs
    return panels


def _pair(cell: Cell, metric: str, scale: float, *, reproduced: bool) -> Pair:
    return _published(cell, metric, scale) if reproduced else None, _ours(cell, metric, scale, reproduced=reproduced)


def _published(cell: Cell, metric: str, scale: float) -> Score | None:
    number = (cell.get("published") or {}).get(metric)
    return Score(scale * float(number)) if isinstance(number, int | float) else None


def _ours(cell: Cell, metric: str, scale: float, *, reproduced: bool) -> Score | None:
    """Our score; None where others are reproductions and this one is not."""
    score = (cell.get("ours") or {}).get(metric)
    if not score or (reproduced and not cell.get("reproduction")):
        return None
    deviation = score.get("sd")
    return Score(scale * score["mean"], None if deviation is None else scale * deviation)


def _legend(cells: Sequence[Cell]) -> str:
    """The name of our scores, with the number of seeds."""
    seeds = max((score["n"] for cell in cells for score in cell["ours"].values()), default=1)
    return "ours" if seeds == 1 else f"ours: mean ± standard deviation of up to {seeds} seeds"


def _title(report: Report, cells: Sequence[Cell], *, reproduced: bool) -> str:
    how = shared_protocol([cell["stamp"] for cell in cells if cell.get("stamp")])
    if not reproduced:
        how.insert(0, "not the paper's data and network: no reproduction")
    return f"{report['title']} ({report['source']}): {', '.join(how) or 'nothing was run yet'}"


def _numbers(panels: Mapping[str, Mapping[str, Pair]]) -> dict[str, Any]:
    """The numbers of all panels, in JSON's types."""
    return {name: {row: _number(*pair) for row, pair in rows.items()} for name, rows in panels.items()}


def _number(published: Score | None, ours: Score | None) -> dict[str, float | None]:
    return {
        "published": None if published is None else published.value,
        "ours": None if ours is None else ours.value,
        "deviation": None if ours is None else ours.deviation,
    }


def _percent(value: float, deviation: float | None) -> Score:
    """A share as a score in %."""
    return Score(100 * value, None if deviation is None else 100 * deviation)
