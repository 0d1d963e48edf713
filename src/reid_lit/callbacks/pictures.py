"""Draw the result of a test: ranked lists, failures and curves, in the run's folder and in the loggers."""

import logging
import textwrap
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from annotated_types import Ge
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from reid_lit.evaluation.catalogue import label, main_scores
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.scores import Result
from reid_lit.evaluation.top import top
from reid_lit.evaluation.tracks import shown_of
from reid_lit.figures.calibration import det_curve
from reid_lit.figures.curves import cmc_curve, learning_curves
from reid_lit.figures.failures import failure_report
from reid_lit.figures.ranked import ranked_lists
from reid_lit.figures.tiles import write_picture
from reid_lit.pages.rankings import write_rankings
from reid_lit.paths import write_whole
from reid_lit.records import Split

_log = logging.getLogger(__name__)

_SEARCHES = ("false positive identification rate", "false negative identification rate")

Number = Annotated[int, Ge(1)]
"""A number of rows or of ranks."""


class Pictures(pl.Callback):
    """Draw, after each test, into ``<folder>/pictures/<data set>``.

    ``ranked_lists.png`` shows queries spread evenly over the query list, ``failures.png`` and ``failures.json`` those
    whose first true match comes last, ``cmc.png`` the curve, ``det.png`` and ``det_identification.png`` the errors of
    pairs and of searches over each other, where the evaluation measures them; ``rankings.json`` holds the list of every
    query for :mod:`reid_lit.page`; ``<folder>/pictures/learning.png`` the training. All ranks come from the embeddings
    and the distances that the scores come from.

    Args:
        folder: The run's folder.
        queries: Rows of the ranked lists and of the failure report.
        top: Ranks shown.
        removed: Whether the ranked lists show, in grey frames, what the protocol removes; the failures never do.
        rankings: Ranks that ``rankings.json`` holds of each query; 0 writes no such file.
    """

    def __init__(
        self, *, folder: str, queries: Number, top: Number, removed: bool, rankings: Annotated[int, Ge(0)]
    ) -> None:
        self.folder = Path(folder)
        self.queries = queries
        self.top = top
        self.removed = removed
        self.rankings = rankings

    @override
    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        split: Split = trainer.datamodule.split  # type: ignore[attr-defined]
        try:
            scores, result = pl_module.tested  # type: ignore[misc]
            files = self.draw(split, scores, result) | self._learning()
        except Exception:  # hours of training are worth more than a picture of them
            _log.exception("the pictures of %s could not be drawn; the scores are not touched by that", split.name)
            return
        for logger in trainer.loggers:
            log_image: Any = getattr(logger, "log_image", None)  # W&B's, TensorBoard's and MLflow's have it
            try:
                for name, file in files.items() if log_image is not None else ():
                    log_image(key=f"{split.name}/{name}", images=[str(file)])
            except Exception:  # nor is a test repeated for a store that does not take its pictures
                words = "%s did not take all pictures of %s; they are in %s, and the scores are not touched by that"
                _log.exception(words, type(logger).__name__, split.name, self.folder / "pictures")

    def _learning(self) -> dict[str, Path]:
        """The curves of the training; none where no step was logged."""
        log, file = self.folder / "log" / "metrics.csv", self.folder / "pictures" / "learning.png"
        if not log.is_file() or "train/" not in log.read_text().partition("\n")[0]:
            return {}
        return {"learning": write_whole(file, learning_curves(log, title=f"Training of {self.folder}").savefig)}

    def draw(self, split: Split, scores: RetrievalScores, result: Result) -> dict[str, Path]:
        """The pictures of one data set, by name; of a gallery that is on disk in part, the curve alone."""
        directory = self.folder / "pictures" / split.name
        split = shown_of(split, scores.protocol)
        title = title_of(split.name, result)
        curve = cmc_curve({split.name: result.first_matches}, title=title)
        files = {"cmc": write_whole(directory / "cmc.png", curve.savefig)} | _det_curves(directory, split.name, result)
        return files if scores.distractors else files | self._lists(directory, title, split, scores, result)

    def _lists(
        self, directory: Path, title: str, split: Split, scores: RetrievalScores, result: Result
    ) -> dict[str, Path]:
        nearest_to = partial(top, scores.ranker, k=self.top)
        shown = nearest_to(rows=spread(len(split.query), self.queries), keep_junk=self.removed)
        image = ranked_lists(split.query, split.gallery, shown, title=title, scores=result.queries)
        files = {name: directory / f"{name}.png" for name in ("ranked_lists", "failures")}
        write_picture(files["ranked_lists"], image)
        nearest = nearest_to()
        failure_report(
            directory,
            split.query,
            split.gallery,
            nearest,
            result.queries,
            number=self.queries,
            title=f"Worst queries of {title}",
        )
        if self.rankings:
            wide = nearest_to(k=2 * self.rankings, keep_junk=self.removed)  # room for what the protocol removes
            about = {"dataset": split.name, "scores": result.scores, "stamp": result.stamp}
            lists = (split.query, split.gallery, wide, result.queries)
            write_rankings(directory / "rankings.json", *lists, k=self.rankings, about=about)
        return files


def _det_curves(directory: Path, name: str, result: Result) -> dict[str, Path]:
    """The DET curves of pairs and of searches, where they were measured."""
    files = {}
    for key, file, rates, names in (
        ("roc", "det", ("fmr", "fnmr"), ("false match rate", "false non-match rate")),
        ("identification", "det_identification", ("fpir", "fnir"), _SEARCHES),
    ):
        part: Any = result.details.get(key, {})
        if points := [(point[rates[0]], point[rates[1]]) for point in part.get("det", ())]:
            title = f"{name}: {result.stamp['identification']}" if key == "identification" else f"{name}: all pairs"
            figure = det_curve(points, title=textwrap.fill(title, 60), names=names)
            files[file] = write_whole(directory / f"{file}.png", figure.savefig)
    return files


def spread(queries: int, number: int) -> Int[Tensor, " rows"]:
    """At most ``number`` positions, evenly over ``queries``."""
    return torch.linspace(0, queries - 1, min(queries, number)).round().long()


def title_of(name: str, result: Result) -> str:
    """The data set, its main scores and how they were measured."""
    stamp = result.stamp
    figures = ", ".join(f"{label(key)} {result.scores[key]:.1%}" for key in main_scores() if key in result.scores)
    how = f"AP by {stamp['ap']}" if stamp["ap"] != "none" else f"gallery: {stamp['gallery']}"
    added = "".join(f", {stamp[name]}" for name in ("expansion", "reranking") if stamp.get(name, "none") != "none")
    return f"{name}: {figures} ({stamp['distance']} distance{added}, {stamp['camera_rule']}, {how})"
