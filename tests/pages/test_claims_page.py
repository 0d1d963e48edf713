"""The page of the claims, in a browser."""

import pytest

from reid_lit.tables.claims.ledger import ledger
from reid_lit.tables.claims.page import EDGE, WIDTH, claims_page, plot


def line(metric, mean, half, verdict):
    ends = {"low": None, "high": None} if half is None else {"low": mean - half, "high": mean + half}
    return {
        "comparison": "+warmup − Baseline-S", "metric": metric, "mean": mean, **ends, "by_seeds": None, "by_queries": half,
        "seeds": [0], "verdict": verdict, "remark": "", "published": None,
    }  # fmt: skip


@pytest.fixture
def content(tmp_path):
    """All claims of a paper, one of them measured."""
    found = ledger(["strong"], ["real"], [tmp_path / "tables"], "python -m reid_lit.report claims")
    (entry,) = [each for each in found["papers"][0]["claims"] if each["id"] == "strong-warmup"]
    lines = [line("rank1", 2.0, 1.0, "seen"), line("mAP", -0.5, 1.0, "undecided")]
    entry["verdict"] = "undecided"
    entry["measured"] = [
        {
            "size": "real", "label": "market1501", "data": "Market-1501", "network": "ResNet-18 at 64 × 32", "foreign": True,
            "seeds": [0], "runs": [str(tmp_path / "run")], "lines": lines, "verdict": "undecided", "reason": "",
            "differing": "AP step or trapezoid",
        }
    ]  # fmt: skip
    return found


@pytest.mark.parametrize("width", [1280, 390])
def test_a_claim_with_its_intervals_and_a_press_on_a_verdict(content, tmp_path, visit, width):
    page = visit(claims_page(content, tmp_path / "claims"), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    claim = page.locator("#strong-warmup").inner_text()
    for words in (
        "undecided",
        "Warm-up",
        "+2.0 ± 1.0",
        "by queries alone",
        "rows differ in their scoring: AP step or trapezoid",
        "Market-1501, ResNet-18 at 64 × 32, seed 0 alone",
        "other data",
    ):
        assert words in claim
    assert page.locator("#strong-warmup svg.plot").count() == 2
    assert "95 % interval" in page.inner_text(".rule")
    shown = page.locator("article.claim:visible")
    everything = shown.count()
    page.click("button[data-verdict=undecided]")
    assert shown.count() == 1
    page.click("button[data-verdict=undecided]")
    assert shown.count() == everything


def test_the_signs_of_a_plot_keep_their_order_and_stay_inside(content):
    (entry,) = [each for each in content["papers"][0]["claims"] if each["id"] == "strong-warmup"]
    part = entry["measured"][0]
    first, second = (plot(entry, part, each) for each in part["lines"])
    assert first["zero"] == second["zero"]  # one scale
    assert EDGE <= second["low"] < second["mean"] < first["zero"] < first["low"] < first["mean"] < first["high"]
    assert first["high"] == WIDTH - EDGE
    assert first["zero"] < min(first["published"])
    assert second["margin"] is None
