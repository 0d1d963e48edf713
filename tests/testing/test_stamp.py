"""Whether a test was of the whole data set is written into the stamp of its row."""

from unittest.mock import Mock

import pytest
import pytorch_lightning as pl

from reid_lit.data.base import ReidData
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import Result
from reid_lit.models.base import RetrievalModel
from reid_lit.records import Split
from reid_lit.run.folder import Run
from reid_lit.testing import tests as testing


@pytest.mark.parametrize("whole", [True, False, None])
def test_the_stamp_has_what_is_known(whole, tmp_path, monkeypatch):
    result = Mock(spec=Result, scores={"mAP": 0.5}, stamp={"ap": "step"}, details={})
    model = Mock(spec=RetrievalModel, selected=None, stamp={}, evaluation=Protocol())
    model.test_on.return_value = result
    data = Mock(spec=ReidData, transform=None, split=Split(name="cut", train=(), query=(), gallery=()))
    data.whole.return_value = whole
    test = testing.Test(data=data, row="cut", average="", split_id=None)
    kept = Mock()
    monkeypatch.setattr(testing, "keep_queries", kept)
    run = Run(tmp_path)
    (row,) = testing.run_tests(Mock(spec=pl.Trainer, precision="32-true"), model, [test], run=run)
    assert kept.call_args.args[0] == run
    assert row["scores"] == {"mAP": 0.5}
    assert row["stamp"].get("whole") is whole
    assert ("whole" in row["stamp"]) == (whole is not None)
