"""Testing a model on one data set or several, and the table of results."""

import copy
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import hydra
import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table

from reid_lit.data.base import ReidData
from reid_lit.evaluation.scores import Result
from reid_lit.models.base import RetrievalModel
from reid_lit.runs import Run

_COLUMNS = {"rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10", "mAP": "mAP", "mINP": "mINP"}


@dataclass(frozen=True, slots=True)
class Tested:
    """One data set's result.

    Attributes:
        dataset: The data set's name.
        result: Scores, stamp, and the scores of each query.
        notes: What the data set's reader assumed, drew or counted.
        seconds: What the test took, embedding included.
    """

    dataset: str
    notes: tuple[str, ...]
    result: Result
    seconds: float


def test_sets(config: DictConfig, own: ReidData) -> list[ReidData]:
    """The data sets of ``test_on``, read and checked; the run's own when it names none.

    Args:
        config: The run's config; an entry of ``test_on`` is an option of ``dataset``, or a mapping with ``dataset`` and
            keys that differ from that option (``{dataset: ward, root: /data/WARD}``).
        own: The data set that the run trains on.
    """
    sets = []
    for entry in config.test_on or [None]:
        choice = {} if entry is None else {"dataset": entry} if isinstance(entry, str) else dict(entry)
        name = choice.pop("dataset", _chosen())
        if name == _chosen() and not choice:
            sets.append(own)
        else:
            sets.append(instantiate(_dataset(config, name, choice), _convert_="all"))
        sets[-1].prepare_data()
        sets[-1].setup("test")
    names = Counter[str]()
    for data in sets:  # two splits of one data set: their pictures and rows must not hide each other
        names[data.split.name] += 1
        if (count := names[data.split.name]) > 1:
            data.split = replace(data.split, name=f"{data.split.name}_{count}")
    return sets


def _chosen() -> str:
    """The option of ``dataset`` that the run trains on."""
    return HydraConfig.get().runtime.choices["dataset"]


def _dataset(config: DictConfig, name: str, choice: dict[str, Any]) -> DictConfig:
    """The config of another data set, or of the run's own with changes, under everything else that this run chose."""
    base = config.dataset if name == _chosen() else hydra.compose("train", [f"dataset={name}"]).dataset
    other = copy.deepcopy(config)
    with open_dict(other):
        other.dataset = OmegaConf.merge(base, choice)
    return other.dataset


def test(trainer: pl.Trainer, model: RetrievalModel, sets: list[ReidData]) -> list[Tested]:
    """Test ``model`` on each data set."""
    results = []
    for data in sets:
        start = time.perf_counter()
        trainer.test(model, datamodule=data, verbose=False)
        if model.result is None:
            raise RuntimeError(f"testing on {data.split.name} gave no result")
        results.append(Tested(data.split.name, data.split.notes, model.result, time.perf_counter() - start))
    return results


def record(run: Run, config: DictConfig, facts: dict[str, Any], results: list[Tested]) -> None:
    """Write ``metrics.json`` and print the table.

    Args:
        run: The folder.
        config: What was run.
        facts: What only this command knows.
        results: One entry a data set.
    """
    rows = [
        {
            "dataset": t.dataset,
            "scores": t.result.scores,
            "stamp": t.result.stamp | {"precision": str(config.trainer.precision), "notes": list(t.notes)},
            "test_seconds": round(t.seconds, 1),
        }
        for t in results
    ]
    common = {"name": config.name, "seed": config.seed, "trained_on": _chosen()}
    run.write_json("metrics.json", common | facts | {"results": rows})
    console = Console()
    console.print(_table(results))
    for t in results:
        console.print(f"[dim]{t.dataset}: {_sentence(t.result.stamp)}[/dim]")
    console.print(f"Everything of this run lies in [bold]{run.folder}[/bold]", soft_wrap=True)
    for picture in sorted(run.folder.glob("pictures/**/*.png")):
        console.print(f"  {picture.relative_to(run.folder)}", soft_wrap=True)


def _table(results: list[Tested]) -> Table:
    table = Table("data set", *_COLUMNS.values(), "seconds", title="Retrieval scores in %")
    for column in table.columns[1:]:
        column.justify = "right"
    for t in results:
        table.add_row(
            t.dataset,
            *(f"{100 * t.result.scores[key]:.2f}" if key in t.result.scores else "–" for key in _COLUMNS),
            f"{t.seconds:.1f}",
        )
    return table


def _sentence(stamp: dict[str, Any]) -> str:
    lost = sum(stamp["without_match"].values())
    parts = [
        f"AP by {stamp['ap']}",
        f"camera rule {stamp['camera_rule']}" + (f" ({note})" if (note := stamp.get("camera_rule_note")) else ""),
        f"{stamp['distance']} distance of the {stamp['feature']}",
        f"test-time augmentation: {stamp['test_time_augmentation']}",
        f"re-ranking: {stamp['reranking']}",
        f"{stamp['valid_queries']} queries"
        + (f" ({lost} more have no match: {stamp['without_match']})" if lost else ""),
        f"{stamp['images']['gallery']} gallery images ({stamp['junk']} junk, {stamp['distractors']} distractors)",
    ]
    return "; ".join(parts)
