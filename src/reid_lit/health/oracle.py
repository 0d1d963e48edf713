"""The scores of an adaptation on the target's test after each epoch: never used for a choice, since they use labels."""

from collections.abc import Mapping, Sequence

import pytorch_lightning as pl
from rich.table import Table

from reid_lit.data.base import ReidData
from reid_lit.evaluation.catalogue import main_scores
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.scores import Result
from reid_lit.models.base import RetrievalModel
from reid_lit.records import Batch

TITLE = "uses target labels: oracle in %"


def oracle_scores(trainer: pl.Trainer, model: RetrievalModel, data: ReidData) -> dict[str, float]:
    """``rank1`` and ``mAP`` of the data's tests, in [0, 1]; where there are several tests, the test's name comes first.

    Every rank takes part, and all get the same. The model has to be in evaluation mode.
    """
    scores: dict[str, float] = {}
    views = data.tests()
    for view in views:
        before = f"{view.split.name}_" if len(views) > 1 else ""
        result = _tested(trainer, model, view)
        scores |= {f"{before}{name}": result.scores[name] for name in main_scores() if name in result.scores}
    return scores


def _tested(trainer: pl.Trainer, model: RetrievalModel, data: ReidData) -> Result:
    metric = RetrievalScores.of(data.split, model.evaluation).to(model.device)
    for batch in data.test_dataloader():
        moved = Batch(*(part.to(model.device) for part in batch))  # Lightning's way would augment while it trains
        with trainer.precision_plugin.test_step_context():
            embedding = model.embed(data.as_tested(moved.image))
        metric.update(embedding, moved.person, moved.camera, moved.index)
    return metric.compute()


def oracle_table(rows: Sequence[Mapping[str, int | float]]) -> Table:
    """The scores by epoch, under a title that says that they use labels."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "epoch"))
    table = Table("epoch", *names, title=TITLE)
    for row in rows:
        table.add_row(f"{row['epoch']:.0f}", *(f"{100 * row[name]:.2f}" if name in row else "–" for name in names))
    return table
