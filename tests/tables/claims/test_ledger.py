"""The ledger from made-up runs: what is tested on which data, with which verdict, and what is not tested and why."""

import json
from pathlib import Path

import numpy as np
import pytest

from reid_lit.errors import InputError
from reid_lit.report import main, report
from reid_lit.tables.claims.files import papers, read_claims
from reid_lit.tables.claims.ledger import ledger
from reid_lit.tables.claims.runs import Runs
from reid_lit.tables.claims.spec import Row
from reid_lit.tables.claims.text import FOREIGN, as_csv, as_latex, as_markdown

BASELINE, WARM = "Baseline-S", "+warmup"


def entries(made_up, paper="strong", sizes=("paper", "real")):
    content = ledger([paper], sizes, [made_up.folder], "python …")
    return content, {entry["id"]: entry for entry in content["papers"][0]["claims"]}


def pair(made_up, skills, *, size="real", label="market1501", **more):
    for seed, (warm, baseline) in enumerate(skills):
        made_up.run("strong/table1", WARM, label, seed, warm, size=size, **more)
        made_up.run("strong/table1", BASELINE, label, seed, baseline, size=size, **more)


def test_a_claim_seen_on_other_data_says_so(made_up):
    pair(made_up, [(0.1, 0.0), (0.11, 0.0), (0.09, 0.0)])
    content, claims = entries(made_up)
    entry = claims["strong-warmup"]
    assert entry["verdict"] == "seen"
    (part,) = entry["measured"]
    assert (part["size"], part["seeds"], part["foreign"]) == ("real", [0, 1, 2], True)
    assert (part["data"], part["network"]) == ("Market-1501", "ResNet-18 at 64 × 32 from scratch")
    assert [line["metric"] for line in part["lines"]] == ["rank1", "mAP"]
    mean_ap = part["lines"][1]
    assert mean_ap["mean"] == pytest.approx(10, abs=1)
    assert mean_ap["low"] < mean_ap["mean"] < mean_ap["high"]
    assert entry["published"]["Market-1501"] == {"rank1": [1.0], "mAP": [1.2]}
    assert entry["commands"] == []  # the paper's own data are not asked for where the claim is tested
    assert FOREIGN in as_markdown(content)
    assert content["counts"]["seen"] == 1


@pytest.mark.parametrize(
    ("skills", "expected"),
    [
        ([(0.0, 0.1)] * 3, "reversed"),
        ([(0.0, 0.1)], "undecided"),  # no row says how seeds vary
        ([(0.0, 0.0)], "undecided"),
        ([(0.0, 0.0)] * 3, "not seen"),
        ([(0.3, 0.0), (0.0, 0.1)], "undecided"),
        ([(0.3, 0.0), (0.0, 0.1), (0.1, 0.0)], "not seen"),
    ],
)
def test_verdicts_of_runs(made_up, skills, expected):
    pair(made_up, skills)
    assert entries(made_up)[1]["strong-warmup"]["verdict"] == expected


def test_one_seed_is_decided_by_how_other_rows_vary(made_up):
    pair(made_up, [(0.1, 0.0)])
    for seed, skill in enumerate((0.0, 0.01, 0.02)):
        made_up.run("strong/table3", "Neck3 f", "market1501", seed, skill)
    _, claims = entries(made_up)
    (part,) = claims["strong-warmup"]["measured"]
    mean_ap = part["lines"][1]
    scores = [100 * made_up.scores("strong/table3", "Neck3 f", seed)["mAP"] for seed in range(3)]
    expected = 4.303 * np.sqrt(2 * np.var(scores, ddof=1))  # Student's t, two degrees of freedom; two trainings
    assert mean_ap["by_seeds"] == pytest.approx(expected, rel=1e-3)
    assert mean_ap["verdict"] == "seen"
    assert [line["remark"] for line in part["lines"]] == ["", ""]


def test_a_claim_of_several_comparisons_is_not_seen_by_one_of_them(made_up):
    for seed in range(3):
        made_up.run("strong/table3", "BNNeck f_i", "market1501", seed, 0.2)
        made_up.run("strong/table3", "Neck1 f", "market1501", seed, 0.0)
    entry = entries(made_up)[1]["neck-best"]
    verdicts = [line["verdict"] for line in entry["measured"][0]["lines"]]
    assert {"seen", "not tested"} == set(verdicts)
    assert entry["verdict"] == "undecided"
    assert entry["commands"]


def test_rows_that_have_not_learnt_decide_nothing(made_up):
    pair(made_up, [(-1.0, -1.0)] * 3)
    entry = entries(made_up)[1]["strong-warmup"]
    lines = entry["measured"][0]["lines"]
    assert lines[0]["verdict"] == "undecided"
    assert lines[0]["remark"] == "rank-1 of all rows lies below 1: none has learnt"


def test_a_claim_about_one_data_set_is_not_tested_on_another(made_up):
    for seed in range(3):
        made_up.run("strong/table8", "PCB", "market1501", seed, 0.0)
        made_up.run("strong/table8", "Baseline2", "market1501", seed, 0.1)
    claims = entries(made_up)[1]
    assert (claims["pcb-market"]["verdict"], claims["pcb-duke"]["verdict"]) == ("seen", "not tested")
    assert "it is about DukeMTMC-reID alone" in entries(made_up, sizes=("real",))[1]["pcb-duke"]["untested"]


def test_what_the_paper_quotes_of_another_one_is_a_constant(made_up):
    for seed in range(3):
        made_up.run("strong/table8", "k-reciprocal", "market1501", seed, 0.4, size="paper")
    claims = entries(made_up)[1]
    (part,) = claims["rerank-own"]["measured"]
    line = part["lines"][1]
    ours = [100 * made_up.scores("strong/table8", "k-reciprocal", seed, size="paper")["mAP"] for seed in range(3)]
    assert line["mean"] == pytest.approx(np.mean(ours) - 63.6)
    assert line["by_queries"] > 0
    assert line["remark"] == "quoted numbers count as exact"
    assert (line["published"], part["foreign"]) == (30.6, False)
    assert claims["pcb-own"]["commands"] == ["python -m reid_lit.train +table=strong/table8 rows=PCB seed=0,1,2"]


def test_rows_that_are_scored_differently_say_so(made_up):
    folder = made_up.run("strong/table1", WARM, "market1501", 0, 0.1)
    made_up.run("strong/table1", BASELINE, "market1501", 0, 0.0)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["results"][0]["stamp"] |= {"ap": "trapezoid"}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    content, claims = entries(made_up)
    assert claims["strong-warmup"]["measured"][0]["differing"] == "AP step or trapezoid"
    assert "rows differ in their scoring: AP step or trapezoid" in as_markdown(content)


def test_equivalence_and_its_margin(made_up):
    for seed in range(3):
        for row, skill in (("+LS", 0.0), ("+stride=1", 0.0), ("+center loss", 0.2), ("+BNNeck", 0.0)):
            made_up.run("strong/table2", row, "market1501-cuhk03", seed, skill, queries=20_000)
    claims = entries(made_up)[1]
    assert claims["cross-stride"]["verdict"] == "seen"
    assert claims["cross-center"]["verdict"] == "reversed"
    (part,) = claims["cross-stride"]["measured"]
    assert part["data"] == "Market-1501 → CUHK03"
    assert claims["cross-stride"]["commands"]  # other data sets of this size are still to be tested


def test_a_score_that_is_no_mean_over_queries_needs_seeds(made_up):
    ratios = (0.41, 0.40, 0.39, 0.36, 0.31)
    rows = [f"f_t beta {beta}" for beta in ("0", "0.0005", "0.005", "0.05", "0.5")]
    for row, ratio in zip(rows, ratios, strict=True):
        made_up.run("strong/table5", row, "market1501", 0, 0.0, ratio=ratio)
    entry = entries(made_up)[1]["center-R-falls"]
    assert entry["verdict"] == "undecided"
    lines = entry["measured"][0]["lines"]
    assert [line["mean"] for line in lines] == pytest.approx([0.01, 0.01, 0.03, 0.05])
    assert {line["remark"] for line in lines} == {
        "interval by seeds alone: no scores of single queries are kept; how seeds vary is not known: no row has three"
        " of them"
    }
    for seed in (1, 2):
        for row, ratio in zip(rows, ratios, strict=True):
            made_up.run("strong/table5", row, "market1501", seed, 0.0, ratio=ratio + 0.001 * seed)
    assert entries(made_up)[1]["center-R-falls"]["verdict"] == "seen"


def test_runs_of_other_queries_are_not_compared(made_up):
    made_up.run("strong/table1", WARM, "market1501", 0, 0.1)
    made_up.run("strong/table1", BASELINE, "market1501", 0, 0.0, asked="other")
    entry = entries(made_up)[1]["strong-warmup"]
    assert entry["verdict"] == "not tested"
    assert "different queries" in entry["untested"][0]
    assert entry["commands"]


def test_seeds_are_paired_and_one_that_a_row_lacks_is_left_out(made_up):
    pair(made_up, [(0.1, 0.0), (0.1, 0.0)])
    made_up.run("strong/table1", WARM, "market1501", 2, 0.5)
    (part,) = entries(made_up)[1]["strong-warmup"]["measured"]
    assert part["seeds"] == [0, 1]


def test_old_runs_without_scores_of_queries_have_an_interval_by_seeds(made_up):
    pair(made_up, [(0.1, 0.0), (0.1, 0.0), (0.1, 0.0)], keep=False)
    (part,) = entries(made_up)[1]["strong-warmup"]["measured"]
    assert part["lines"][1]["by_queries"] is None
    assert part["verdict"] == "seen"


def test_the_papers_own_data_are_a_reproduction(made_up):
    pair(made_up, [(0.1, 0.0)] * 3, size="paper")
    pair(made_up, [(0.0, 0.1)] * 3)
    entry = entries(made_up)[1]["strong-warmup"]
    measured = entry["measured"]
    assert [part["verdict"] for part in measured] == ["seen", "reversed"]
    assert entry["verdict"] == "seen"  # a small network on other data does not overrule the paper's own
    assert [(part["size"], part["foreign"]) for part in measured] == [("paper", False), ("real", True)]
    assert measured[0]["lines"][0]["published"] == 1.0
    assert measured[1]["lines"][0]["published"] is None
    assert entries(made_up, sizes=("real",))[1]["strong-warmup"]["measured"][0]["size"] == "real"


def test_what_is_not_tested_says_why_and_by_which_command_it_would_be(made_up):
    content, claims = entries(made_up)
    assert content["counts"] == {"seen": 0, "reversed": 0, "not seen": 0, "undecided": 0, "not tested": len(claims)}
    warm = claims["strong-warmup"]
    assert warm["untested"] == ["not run yet: strong/table1/+warmup, strong/table1/Baseline-S"]
    assert (
        "python -m reid_lit.train +table=strong/table1 size=real rows=+warmup,Baseline-S seed=0,1,2" in warm["commands"]
    )
    assert "not run yet: strong/table6/Our" in claims["strong-baselines"]["untested"]
    assert (
        "BAU is quoted by the paper and not run"
        in entries(made_up, "generalisation")[1]["generalisation-bau"]["untested"]
    )
    assert any("figure=norms" in line for line in claims["norms"]["commands"])


def test_commands_ask_for_what_the_results_there_were_asked_for_with(made_up):
    """Without it they would train again what is there, under other names."""
    made_up.plan("strong/table1", "real")["overrides"] = ["machine.progress_bar=false", "trainer.precision=bf16-mixed"]
    made_up.run("strong/table1", "+warmup", "market1501", 0, 0.1)
    claims = entries(made_up)[1]
    for name in ("strong-warmup", "depth"):
        real = [line for line in claims[name]["commands"] if "size=real" in line]
        assert real
        assert all(line.endswith(" seed=0,1,2 trainer.precision=bf16-mixed") for line in real)
    arn = [line for line in entries(made_up, "arn")[1]["arn-private"]["commands"] if "size=real" in line]
    assert all(line.endswith(" seed=0,1,2") for line in arn)
    assert arn


def test_a_row_that_waits_says_what_for(made_up):
    row = Row("stronger/table3", "Stronger Baseline + tricks test", "")
    reason = Runs("paper", [made_up.folder]).missing(row)
    assert reason.startswith("Stronger Baseline + tricks test waits: the challenge never released the persons")


def test_gains_across_tables_whose_labels_differ(made_up):
    for table, label, gain in (
        ("embae/table1", "cuhk03-market1501", 0.2),
        ("embae/table2", "cuhk03+viper+ward-market1501", 0.1),
    ):
        for seed in range(3):
            made_up.run(table, "Baseline", label, seed, 0.0)
            made_up.run(table, "EmbAE-camnui", label, seed, gain)
    _, claims = entries(made_up, "embae")
    entry = claims["embae-smaller-gain"]
    assert entry["verdict"] == "seen"
    (part,) = entry["measured"]
    assert part["lines"][1]["mean"] == pytest.approx(10, abs=1.5)
    assert part["data"] == "CUHK03 → Market-1501, CUHK03 + VIPeR + WARD → Market-1501"
    assert claims["embae-many-end"]["verdict"] == "reversed"
    assert claims["embae-cam"]["verdict"] == "seen"


def test_a_row_that_is_the_same_as_another_has_its_runs(made_up):
    for seed in range(3):
        made_up.run("embae/table1", "EmbAE-camnui", "cuhk03-market1501", seed, 0.2)
        made_up.run("embae/table3", "Fine-tuned PUL", "cuhk03-market1501", seed, 0.1)
    assert entries(made_up, "embae")[1]["embae-pul"]["verdict"] == "seen"


def write_log(folder, name, values, along):
    (folder / "log").mkdir(exist_ok=True)
    lines = [f"{along},{name}", *(f"{place},{value}" for place, value in values)]
    (folder / "log" / "metrics.csv").write_text("\n".join(lines) + "\n")


def test_norms_curves_and_epochs(made_up):
    folder = made_up.run("strong/table1", "+BNNeck", "market1501", 0, 0.0)
    (folder / "figures").mkdir()
    (folder / "figures" / "norms.json").write_text(
        json.dumps({"norms": {"f_t": {"variation": 0.05}, "f_i": {"variation": 0.5}}})
    )
    noise = np.random.default_rng(0).choice([-0.3, 0.3], 25).repeat(20) * np.tile([1, -1], 250)  # of single batches
    falling = [(step, 1.0 - 0.0005 * step + noise[step]) for step in range(500)]
    rising = [(step, value + (0.4 if 120 <= step < 140 else 0.0)) for step, value in falling]
    for row, curve in (("Neck3 f", rising), ("BNNeck f_i", falling)):
        write_log(made_up.run("strong/table3", row, "market1501", 0, 0.0), "train/triplet", curve, "step")
    claims = entries(made_up)[1]
    (line,) = claims["norms"]["measured"][0]["lines"]
    assert line["mean"] == pytest.approx(0.45)
    (line,) = claims["curves"]["measured"][0]["lines"]
    assert line["mean"] == pytest.approx(0.39)
    write_log(Path(claims["curves"]["measured"][0]["runs"][0]), "train/triplet", falling[::20], "step")
    assert entries(made_up)[1]["curves"]["verdict"] == "not tested"  # the noise of single batches
    assert claims["curves-bnneck3"]["verdict"] == "not tested"
    for row, curve in (("Strong", (0.1, 0.2, 0.3, 0.4)), ("Stronger", (0.2, 0.39, 0.4, 0.42))):
        run = made_up.run("stronger/table1", f"{row} Baseline by epoch", "market1501", 0, 0.0)
        write_log(run, "val/mAP", list(enumerate(curve)), "epoch")
    (line,) = entries(made_up, "stronger")[1]["stronger-faster"]["measured"][0]["lines"]
    assert line["mean"] == 4 - 2  # to 0.36, nine tenths of 0.4


def test_all_files_are_written_and_hold_every_claim(made_up, capsys, monkeypatch):
    pair(made_up, [(0.1, 0.0), (0.1, 0.0), (0.12, 0.0)])
    report(["claims", "paper=strong,stronger", f"table_dir={made_up.folder}"])
    folder = made_up.folder / "claims"
    content = json.loads((folder / "claims.json").read_text())
    ids = [entry["id"] for part in content["papers"] for entry in part["claims"]]
    assert "stronger-faster" in ids
    for ending in ("md", "csv", "html"):
        text = (folder / f"claims.{ending}").read_text()
        assert not [name for name in ids if name not in text], ending
        assert "seen" in text
    assert "95 % interval" in (folder / "claims.html").read_text()
    assert "95 % interval" in as_markdown(content)
    assert as_csv(content).count("\n") > len(ids)
    assert as_latex(content).count(r"\midrule") == 2
    assert "1 seen" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["report", "claims", "papers=strong"])
    with pytest.raises(SystemExit, match="papers=strong: no word of claims 'papers'; did you mean paper"):
        main()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("paper=strng", "paper=strng: no paper 'strng'; did you mean strong"),
        ("size=papre", "size=papre: no size 'papre'; did you mean paper"),
        ("size=", "size=: give one or more of paper, real, laptop"),
        ("claims", "give <word>=<value>"),
    ],
)
def test_a_wrong_word(word, message):
    with pytest.raises(InputError) as error:
        report(["claims", word])
    assert message in str(error.value)


def test_every_claim_whose_rows_run_on_real_data_has_data_that_they_share(made_up):
    """Rows that are run, but on different data sets, could never be compared: the claim would stay untested in silence."""
    real = Runs("real", [made_up.folder])
    for claim in (claim for paper in papers() for claim in read_claims(paper)):
        rows = claim.rows("real")
        if not any(real.missing(row) for row in rows):
            assert real.labels(rows, claim.only) or claim.id == "pcb-duke", claim.id
