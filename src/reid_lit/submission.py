"""``python -m reid_lit.submission run=<folder>``: the file that the SynergySports challenge asks for."""

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from reid_lit.command.launch import launch
from reid_lit.paths import write_whole
from reid_lit.records import Shot, Split

NOBODY = 0
"""Stands for the persons of the hidden test, whom only the organisers know."""


def submission(config: DictConfig) -> None:
    """Write the distances of the hidden test's queries to its gallery, by the weights of ``config.run``.

    They are those that ``config.evaluation`` ranks by: expanded and re-ranked where it says so.

    Raises:
        ValueError: no run is named.
    """
    import pytorch_lightning as pl  # here, as the others: --help does not wait for torch
    import torch
    from hydra.utils import instantiate

    from reid_lit.data.sets.synergy_parts import hidden_test
    from reid_lit.data.sets.synergy_submission import write
    from reid_lit.evaluation.lists import Lists
    from reid_lit.evaluation.ranker import Ranker
    from reid_lit.run.datasets import make_data
    from reid_lit.run.folder import Run, required_run
    from reid_lit.testing.inference import embedded
    from reid_lit.testing.tests import trained_model

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


if __name__ == "__main__":
    launch(submission, config_name="submission")
