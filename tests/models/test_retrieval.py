"""A test by a method call: its distractors go in, its result comes out, and nothing of it stays for the next test."""

from unittest.mock import Mock

import pytest
import pytorch_lightning as pl
import torch

from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import Result
from reid_lit.models.retrieval import EmbeddingModel, FinishedTest


@pytest.fixture
def model():
    return EmbeddingModel(evaluation=Protocol(), memory_format=torch.contiguous_format)


def test_a_test_gets_its_distractors_and_gives_its_result(model):
    distractors, result = Mock(spec=Distractors), Mock(spec=Result)
    seen = []

    def tested(tested_model, *, datamodule, verbose):
        seen.append((tested_model, datamodule, verbose, tested_model._distractors))
        tested_model._tested = FinishedTest(Mock(spec=RetrievalScores), result)

    data = pl.LightningDataModule()
    assert model.test_on(Mock(spec=pl.Trainer, test=tested), data, distractors) is result
    assert model.test_on(Mock(spec=pl.Trainer, test=tested), data) is result
    assert seen == [(model, data, False, distractors), (model, data, False, None)]
    assert model.tested.result is result


def test_a_test_that_ends_early_leaves_no_result_of_the_one_before(model):
    model._tested = FinishedTest(Mock(spec=RetrievalScores), Mock(spec=Result))
    failing = Mock(spec=pl.Trainer)
    failing.test.side_effect = KeyError("no image")
    with pytest.raises(KeyError):
        model.test_on(failing, pl.LightningDataModule(), Mock(spec=Distractors))
    assert model._distractors is None
    with pytest.raises(RuntimeError, match="no test has ended; call test_on"):
        _ = model.tested
    with pytest.raises(RuntimeError, match="no test has ended"):
        model.test_on(Mock(spec=pl.Trainer), pl.LightningDataModule())
