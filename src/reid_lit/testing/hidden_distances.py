"""The distances of the SynergySports challenge's hidden test."""

from pathlib import Path

import torch
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Tensor

from reid_lit.data.sets.synergy_parts import hidden_test
from reid_lit.errors import InputError
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.ranker import Ranker
from reid_lit.records import Shot, Split
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import Run
from reid_lit.run.machine import make_trainer
from reid_lit.testing.inference import embedded
from reid_lit.testing.tests import trained_model

NOBODY = 0
"""Stands for the persons of the hidden test, whom only the organisers know."""


def hidden_distances(config: DictConfig) -> tuple[Float[Tensor, "queries gallery"], tuple[Path, ...], tuple[Path, ...]]:
    """The distances of the hidden test's queries to its gallery, by the weights of ``config.run``, and the images.

    They are those that ``config.evaluation`` ranks by: expanded and re-ranked as it sets.

    Raises:
        ValueError: it ranks tracks.
    """
    model = trained_model(config, Run(Path(config.run)))
    if (tracks := model.evaluation.tracks) != "none":
        raise InputError(f"tracks={tracks}: the images of the hidden test have no tracks; set evaluation.tracks=none")
    data = make_data(config)
    query, gallery = hidden_test(data.root)
    trainer = make_trainer(config)
    data.setup("predict")
    shots = tuple(Shot(path=path, person_id=NOBODY, camera_id=0) for path in query + gallery)
    data.split = Split(name="hidden", train=(), query=shots, gallery=())
    embedding = embedded(trainer, model, data)
    lists = Lists.of(shots[: len(query)], shots[len(query) :])
    ranker = Ranker(embedding[: len(query)], embedding[len(query) :], lists, model.evaluation)
    return torch.cat([block.clone() for _, block in ranker]), query, gallery
