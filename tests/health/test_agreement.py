"""The persons of a target reach the agreement of its clusters, and nothing that trains."""

from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

import reid_lit
from reid_lit.health.agreement import round_agreement
from reid_lit.models.base import RetrievalModel
from reid_lit.models.training_data import TrainingData
from reid_lit.records import JUNK
from reid_lit.run.datasets import make_data

PLAZA, CAMPUS = ("{dataset: synthetic, size: tiny, world: " + world + "}" for world in ("plaza", "campus"))
SOURCE = Path(reid_lit.__file__).parent


def test_clusters_beside_a_source_are_compared_with_the_persons_that_training_cannot_read(compose, drawn):
    words = ("dataset=transfer", f"dataset.source={PLAZA}", f"dataset.target={CAMPUS}", f"data_root={drawn}")
    data = make_data(compose(*words, "loader.batch_size=8", "machine.workers=0", "transform.size=[32,16]"))
    data.setup("fit")
    first = sum(shot.person_id != JUNK for shot in data.split.train)
    assert {shot.person_id for shot in data.split.train[first:]} == set(data._labels[first:]) == {JUNK}
    persons = torch.tensor([shot.person_id for shot in data.target.read().train])
    assert len(persons.unique()) > 2
    model = Mock(spec=RetrievalModel, round_labels=persons, unlabelled=lambda split: split.train[first:])
    assert round_agreement(model, data) == pytest.approx(
        {"pair_precision": 1.0, "pair_recall": 1.0, "pair_F": 1.0, "AMI": 1.0}
    )
    model.round_labels = persons % 2
    assert 0 < round_agreement(model, data)["pair_precision"] < 1


def test_nothing_but_the_agreement_asks_for_the_true_persons():
    asking = {
        file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py") if "true_persons" in file.read_text()
    }
    assert asking == {"data/base.py", "data/sets/transfer.py", "health/agreement.py"}
    hidden = {
        file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py") if "_target_persons" in file.read_text()
    }
    assert hidden == {"data/sets/transfer.py"}
    assert not hasattr(TrainingData, "true_persons")
