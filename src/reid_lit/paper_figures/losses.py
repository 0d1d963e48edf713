"""ID and triplet loss over the first iterations, for several necks (Strong Baseline, Fig. 8)."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from reid_lit.errors import InputError
from reid_lit.figures.series import Panel, series_figure
from reid_lit.paper_figures.logs import Runs, choices, column, labelled
from reid_lit.paper_figures.paper_figure import PaperFigure

_log = logging.getLogger(__name__)


def losses(
    _: DictConfig, *, runs: Runs, by: str, terms: Mapping[str, str], iterations: int, smooth: int
) -> PaperFigure:
    """The losses that runs logged, as they were minimised: weighted, and the ID loss with its label smoothing.

    Args:
        runs: The runs' folders; best of runs with ``trainer.log_every_n_steps=1``.
        by: What a run without a label is called by, see :func:`reid_lit.paper_figures.logs.labelled`.
        terms: What is on the y axis, by the loss's name in the log (``train/<name>``).
        iterations: The last iteration that is drawn.
        smooth: Iterations over which a mean is drawn.

    Raises:
        ValueError: no run is given, or a run logged none of the losses.
    """
    folders = labelled(runs, by=by)
    curves = {term: {name: _curve(folder, term, iterations) for name, folder in folders.items()} for term in terms}
    for name, folder in folders.items():
        if not any(curves[term][name][0] for term in terms):
            raise InputError(
                f"{folder} logged none of {', '.join(f'train/{term}' for term in terms)} in its first {iterations}"
                f" iterations; train it with loss=id_triplet and trainer.log_every_n_steps=1"
            )
    gap = max(step_of(along) for shown in curves.values() for along, _ in shown.values())
    note = "" if gap <= 1 else f"; one in {gap} was logged"
    if gap > 1:
        _log.warning("one iteration in %d was logged; train with trainer.log_every_n_steps=1 to have them all", gap)
    names = sorted({choices(folder)["dataset"] for folder in folders.values()})
    panels = [
        Panel(x="iteration", y=title, curves=curves[term], smooth=1 if gap > 1 else smooth)
        for term, title in terms.items()
    ]
    last = max(along[-1] for shown in curves.values() for along, _ in shown.values() if along)
    title = f"Losses on {', '.join(names)}: first {last} iterations{note}"
    drawn = {
        term: {name: {"iteration": along, "loss": values} for name, (along, values) in shown.items()}
        for term, shown in curves.items()
    }
    numbers = {"datasets": names, "every": gap, "losses": drawn}
    return PaperFigure(figure=series_figure(panels, title=title), numbers=numbers)


def _curve(folder: Path, term: str, iterations: int) -> tuple[list[int], list[float]]:
    """Iterations, counted from 1, and losses."""
    points = [(step + 1, loss) for step, loss in column(folder, f"train/{term}", along="step") if step < iterations]
    return [step for step, _ in points], [loss for _, loss in points]


def step_of(along: Sequence[int]) -> int:
    """The widest gap between neighbours, the first iteration's distance from the start among them; 0 for none.

    >>> step_of([1, 2, 3]), step_of([20, 40, 60]), step_of([])
    (1, 20, 0)
    """
    return max((after - before for before, after in itertools.pairwise([0, *along])), default=0) if along else 0
