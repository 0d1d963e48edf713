"""A validation score by epoch, of several runs (Stronger Baseline, Fig. 1)."""

from pathlib import Path

from omegaconf import DictConfig

from reid_lit.errors import InputError
from reid_lit.figures.series import Panel, series_figure
from reid_lit.kinds import said
from reid_lit.paper_figures.logs import Runs, choices, column, kind_of_run, labelled, settings
from reid_lit.paper_figures.paper_figure import PaperFigure


def score_by_epoch(_: DictConfig, *, runs: Runs, by: str, score: str) -> PaperFigure:
    """The score of the held-out persons after each epoch.

    Args:
        runs: The runs' folders; they trained with ``dataset.val_persons=<number>``.
        by: What a run without a label is called by, see :func:`reid_lit.paper_figures.logs.labelled`.
        score: ``mAP``, ``rank1``, …

    Raises:
        ValueError: no run is given, or one did not validate.
    """
    folders = labelled(runs, by=by)
    curves = {name: _curve(folder, score) for name, folder in folders.items()}
    how = {name: protocol_of(folder) for name, folder in folders.items()}
    shared = [part for part in next(iter(how.values())) if all(part in parts for parts in how.values())]
    labelled_curves = {}
    for name, (epochs, values) in curves.items():
        label = ", ".join([name, *(part for part in how[name] if part not in shared)])
        labelled_curves[f"{label}: {values[-1]:.1%} at the end"] = (epochs, values)
    panel = Panel(x="epoch", y=score, curves=labelled_curves, percent=True)
    title = f"{score} by epoch: {', '.join(shared)}"
    numbers = {
        name: {"protocol": list(how[name]), "epoch": epochs, score: values} for name, (epochs, values) in curves.items()
    }
    lines = [f"{name}: {score} {values[-1]:.1%} after epoch {epochs[-1]}" for name, (epochs, values) in curves.items()]
    return PaperFigure(figure=series_figure([panel], title=title), numbers=numbers, lines=lines)


def _curve(folder: Path, score: str) -> tuple[list[int], list[float]]:
    """Epochs, counted from 1, and scores."""
    points = column(folder, f"val/{score}", along="epoch")
    if not points:
        raise InputError(
            f"{folder} logged no val/{score}; train it with dataset.val_persons=<number>, persons that are held out and"
            f" tested on after each epoch"
        )
    return [epoch + 1 for epoch, _ in points], [value for _, value in points]


def protocol_of(folder: Path) -> tuple[str, ...]:
    """The data set of a run, and how it validates, in words."""
    config = settings(folder)
    held, test = config["dataset"].get("val_persons", 0), config["evaluation"]
    parts = [
        choices(folder)["dataset"],
        said(f"{held} held-out training persons" if held else "its own validation persons", kind_of_run(folder)),
        f"AP by {test['ap']}",
        f"{test['distance']} distance",
        f"retrieval by {test['feature']}",
        test["camera_rule"],
    ]
    if test.get("crops"):
        parts.append("five crops")
    if test["flip"]:
        parts.append("mirror images too")
    return tuple(parts)
