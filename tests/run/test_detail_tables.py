import io
import json
from dataclasses import replace

import pytest
import torch
from hydra.utils import instantiate
from rich.console import Console

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate
from reid_lit.records import Split
from reid_lit.run.detail_tables import detail_tables
from reid_lit.run.folder import Run
from reid_lit.run.results import averaged, record
from reid_lit.testing.tests import result_row


def printed(results, width=100):
    console = Console(width=width, file=io.StringIO())
    for table in detail_tables(results):
        console.print(table)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def case():
    """Twelve persons under four cameras, near their place on a line."""
    generator = torch.Generator().manual_seed(0)
    person = torch.arange(12).repeat(8)
    lists = Lists(person, torch.arange(96) // 24, person.clone(), (torch.arange(96) // 12 + 1) % 4)
    return *(person[:, None] + torch.randn(96, 1, generator=generator) for _ in range(2)), lists


@pytest.fixture(scope="module")
def result(case):
    return evaluate(
        Ranker(
            *case,
            Protocol(roc=[0.1, 1e-6], camera_pairs=True, bootstrap=20, open_set=[0.5], identification=[0.5, 1e-6]),
        )
    )


def row(result, **more):
    return {
        "dataset": "ward",
        "scores": result.scores,
        "details": result.details,
        "stamp": {},
        "test_seconds": 1.0,
    } | more


def test_the_tables_show_scores_thresholds_intervals_and_the_hardest_pairs(result):
    text = printed([row(result)])
    roc, pairs = result.details["roc"], result.details["camera_pairs"]
    lines = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    point = roc["points"][0]
    assert f"ward TPR at FPR 0.1 {100 * point['tpr']:.2f} {point['threshold']:.4g}" in lines
    assert f"ward equal error rate {100 * roc['eer']['rate']:.2f} {roc['eer']['threshold']:.4g}" in lines
    assert any(line.startswith("ward DIR at FAR 0.5 ") for line in lines)
    assert f"ward FNMR at FMR 0.1 {100 - 100 * point['tpr']:.2f} {point['threshold']:.4g}" in lines
    assert not any("FNMR at FMR 1e-06" in line for line in lines)
    found = result.details["identification"]["points"][0]
    assert f"ward FNIR at FPIR 0.5 {100 * found['fnir']:.2f} {found['threshold']:.4g}" in lines
    assert "95% intervals over random galleries, in %" in " ".join(lines)
    assert f"ward {100 * found['low']:.1f} to {100 * found['high']:.1f}" in lines
    assert any("FNIR at FPIR 1e-06 –" in line and "searches for strangers cannot" in line for line in lines)
    assert f"ward TPR at FPR 1e-06 – {roc['impostor_pairs']} impostors cannot show a rate of 1e-06" in lines
    low, high = result.details["bootstrap"]["intervals"]["mAP"]
    assert any(line.startswith("ward ") and line.endswith(f"{100 * low:.1f} to {100 * high:.1f}") for line in lines)
    assert len(pairs) == 12
    assert "ward: hardest 10 of 12 camera pairs" in lines
    worst = min(pairs, key=lambda pair: pair["mAP"])
    first = next(line for line in lines if line.startswith("c"))
    assert first.split() == [
        worst["query"], worst["gallery"], str(worst["queries"]), f"{100 * worst['rank1']:.2f}", f"{100 * worst['mAP']:.2f}"
    ]  # fmt: skip


def test_views_show_the_hardest_pairs_then_the_same_and_other_views(case):
    query, gallery, lists = case
    seen = torch.arange(96) % 5 // 3
    viewed = replace(lists, query_view=seen, gallery_view=seen.flip(0), views=("back", "front"))
    result = evaluate(Ranker(query, gallery, viewed, Protocol(view_pairs=True)))
    views = result.details["view_pairs"]
    lines = [" ".join(line.replace("│", " ").split()) for line in printed([row(result)]).splitlines()]
    shown = {
        key: f"{one['queries']} {100 * one['rank1']:.2f} {100 * one['mAP']:.2f}"
        for key, one in views.items()
        if key != "pairs"
    }
    worst = min(views["pairs"], key=lambda pair: pair["mAP"])
    assert "ward: hardest 4 of 4 view pairs" in lines
    first = next(line for line in lines if line.startswith(("back", "front")))
    assert first.split()[:3] == [worst["query"], worst["gallery"], str(worst["queries"])]
    assert [line for line in lines if line.startswith("all")] == [
        f"all the query's own {shown['same']}", f"all all others {shown['other']}"
    ]  # fmt: skip


def test_what_was_not_asked_for_is_not_shown():
    assert detail_tables([{"dataset": "ward", "scores": {"rank1": 0.5, "mAP": 0.5}}]) == []


def test_splits_show_the_mean_of_the_scores_and_no_threshold(result):
    other = row(result, split_id=1, scores={name: score / 2 for name, score in result.scores.items()})
    (mean,) = averaged([row(result, split_id=0), other])
    assert "details" not in mean
    text = printed([mean])
    assert f"{75 * result.scores['tpr@fpr=0.1']:.1f}±" in text
    assert "intervals" not in text


def test_two_directions_do_not_pass_on_the_details_of_one(result):
    rows = [row(result, dataset=name, average="both") for name in ("there", "back")]
    together, there, back = averaged(rows)
    assert "details" not in together
    assert there["details"] == back["details"] == result.details


def test_the_option_for_thresholds_is_recorded_whole_and_printed(case, compose, tmp_path, capsys):
    config = compose("evaluation=verification")
    found = evaluate(Ranker(*case, instantiate(config.evaluation)))
    named = {"row": "ward", "split_id": None, "average": ""}
    split = Split(name="ward", train=(), query=(), gallery=())
    record(Run(tmp_path), config, {}, [result_row(split, found, named, precision="32", seconds=1.0)])
    (written,) = json.loads((tmp_path / "metrics.json").read_text())["results"]
    assert written["details"] == json.loads(json.dumps(found.details))
    assert written["details"].keys() == {"roc", "camera_pairs", "open_set", "identification", "bootstrap"}
    assert written["scores"]["tpr@fpr=0.01"] == found.scores["tpr@fpr=0.01"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "TPR at FPR 0.01" in printed
    assert "identification: 100 random galleries, 50% of the queries' persons enrolled in each, seed 0" in printed


def test_long_reasons_cut_no_number(result):
    text = printed([row(result, dataset="market1501_split_10")], width=80)
    assert "…" not in text
