"""``python -m reid_lit.submission run=<folder>``: the file that the SynergySports challenge asks for."""

import csv
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from jaxtyping import Float
from omegaconf import DictConfig
from rich.console import Console
from torch import Tensor

from reid_lit.command.launch import launch
from reid_lit.data.sets.synergy_parts import hidden_test
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.ranker import Ranker
from reid_lit.paths import write_whole
from reid_lit.records import Shot, Split
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import Run, required_run
from reid_lit.testing.inference import embedded
from reid_lit.testing.tests import trained_model

NOBODY = 0
"""Stands for the persons of the hidden test, whom only the organisers know."""


def submission(config: DictConfig) -> None:
    """Write the distances of the hidden test's queries to its gallery, by the weights of ``config.run``.

    They are those that ``config.evaluation`` ranks by: expanded and re-ranked where it says so.

    Raises:
        ValueError: no run is named.
    """
    model = trained_model(config, Run(required_run(config)))
    data = make_data(config)
    query, gallery = hidden_test(data.root)
    trainer: pl.Trainer = instantiate(config.trainer, _convert_="all")
    data.setup("predict")
    shots = tuple(Shot(path=path, person_id=NOBODY, camera_id=0) for path in query + gallery)
    data.split = Split(name="hidden", train=(), query=shots, gallery=())
    embedding = embedded(trainer, model, data)
    lists = Lists.of(shots[: len(query)], shots[len(query) :])
    ranker = Ranker(embedding[: len(query)], embedding[len(query) :], lists, instantiate(config.evaluation))
    distance = torch.cat([block.clone() for _, block in ranker])
    file = Path(config.file)
    write_whole(file, lambda beside: write(beside, distance, query, gallery))
    Console().print(f"{file}: {len(query)} queries × {len(gallery)} gallery images", soft_wrap=True)


def write(
    file: Path, distance: Float[Tensor, "queries gallery"], query: tuple[Path, ...], gallery: tuple[Path, ...]
) -> None:
    """A row for each query and a column for each gallery image, headed by the images' numbers."""
    with file.open("w", newline="", encoding="ascii") as text:
        rows = csv.writer(text)
        rows.writerow(["", *(path.stem for path in gallery)])
        for path, row in zip(query, distance.tolist(), strict=True):
            rows.writerow([path.stem, *(f"{value:.6g}" for value in row)])


if __name__ == "__main__":
    launch(submission, config_name="submission")
