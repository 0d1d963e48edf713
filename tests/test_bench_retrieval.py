import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.script_modules import script
from torch.nn import functional as F

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_retrieval.py"


@pytest.fixture(scope="module")
def bench():
    with script("bench_retrieval") as module:
        yield module


@pytest.mark.parametrize(
    "settings", [{"k1": 20, "k2": 6, "lambda_value": 0.3}, {"k1": 7, "k2": 1, "lambda_value": 0.1}]
)
def test_ours_equals_the_dense_reference(bench, settings):
    size = bench.Size(queries=300, gallery=1700, dim=64, persons=90)
    query, gallery, lists = bench.made(size, 1.5, "cpu")
    query, gallery = F.normalize(query), F.normalize(gallery)
    theirs = torch.from_numpy(bench.dense_reference(torch.cat([query, gallery]).numpy(), 300, **settings))
    ours = bench.KReciprocal(**settings).blocks(query, gallery).block(0)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)
    protocols = [bench.Protocol(rerank=rerank) for rerank in (bench.KReciprocal(**settings), bench.Given(theirs))]
    one, other = (bench.evaluate(bench.Ranker(query, gallery, lists, protocol)).scores["mAP"] for protocol in protocols)
    assert one == pytest.approx(other, abs=1e-6)
    assert 0.3 < one < 0.99


def test_every_row_is_printed(monkeypatch, capsys, bench):
    monkeypatch.setattr(bench, "measured", lambda task, size, **settings: bench.TASKS[task](size=size, **settings))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench_retrieval.py", "--large", "--scale", "0.01", "--repeats", "1"])
    bench.main()
    rows = capsys.readouterr().out.splitlines()[3:]
    assert len(rows) >= len(bench.ROWS)
    assert all(line.startswith("| ") and line.count("|") >= 8 for line in rows)


def test_a_measurement_in_a_process_of_its_own(bench):
    facts = bench.measured("rerank", bench.MARKET.scaled(0.01), noise=1.0, out=None, device="cpu")
    assert facts.keys() == {"seconds", "against", "peak"}
    assert np.isfinite(list(facts.values())).all()
    assert 0 < facts["against"] <= facts["seconds"]
