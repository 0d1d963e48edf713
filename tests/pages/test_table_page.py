import copy

import pytest

from reid_lit.pages.table import table_page


def cell(published, ours=None, **more):
    return {"published": published, "ours": ours or {}, "difference": {}, "inside": {}, "runs": [], **more}


@pytest.fixture
def report(tmp_path):
    """Four rows: run, run on other data, quoted, waiting."""
    good = cell(
        {"rank1": 87.7, "mAP": "74.0"},
        {"rank1": {"mean": 88.04, "sd": 0.21, "n": 3}, "mAP": {"mean": 70.2, "sd": None, "n": 1}},
        difference={"rank1": 0.34, "mAP": -3.8}, inside={"rank1": True, "mAP": False}, state="done", reproduction=True,
        hours=1.5, machine="one GPU", stamp={"ap": "trapezoid"}, differs=["batch 32 in place of 64"], runs=[str(tmp_path / "run")],
    )  # fmt: skip
    other = cell(
        {"rank1": 90.0, "mAP": 79.0}, {"rank1": {"mean": 45.0, "sd": None, "n": 1}},
        difference={"rank1": -45.0}, inside={"rank1": False}, state="done", reproduction=False,
    )  # fmt: skip
    row = {"reason": "", "note": ""}
    return {
        "title": "Each trick", "source": "Somebody et al. 2019", "paper": "strong", "table": "table1", "command": "python …",
        "written": "today", "size": "laptop", "metrics": ["rank1", "mAP"], "unit": "percent",
        "dimensions": {"dataset": ["market1501"]}, "notes": ["the paper errs"],
        "rows": [
            row | {"name": "Baseline", "status": "run", "cells": {"market1501": good}},
            row | {"name": "+ erasing", "status": "run", "cells": {"market1501": other}},
            row | {"name": "PUL", "status": "quoted", "cells": {"market1501": cell({"rank1": 95.5, "mAP": 60.0})}},
            row | {"name": "+ PCB", "status": "waiting", "reason": "not built yet", "cells": {"market1501": cell({"rank1": 91.0})}},
        ],
    }  # fmt: skip


def names(page):
    return page.locator(".results .name").all_inner_texts()


def test_published_beside_ours_and_order(report, tmp_path, visit):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "page.html").write_text("a run")
    page = visit(table_page(report, tmp_path / "table"))
    lines = page.locator(".results tbody tr").all_inner_texts()
    assert [
        part in lines[0] for part in ("87.7 → 88.0 ± 0.2 (3)", "+0.3 ✓ inside", "74.0 → 70.2", "−3.8 ✗ outside")
    ] == [True] * 4
    assert "quoted by the paper" in lines[2]
    assert "waiting" in lines[3]
    assert "not built yet" in lines[3]
    assert names(page) == ["Baseline", "+ erasing", "PUL", "+ PCB"]
    page.click(".results th button:has-text('rank-1')")
    assert names(page) == ["PUL", "+ PCB", "+ erasing", "Baseline"]
    page.click(".results th button:has-text('mAP')")
    assert names(page)[-1] == "+ PCB"
    page.click("summary:has-text('Baseline')")
    assert page.locator("details a").first.get_attribute("href") == "../run/page.html"
    assert page.locator(".plot .main-svg").count() > 0


def test_other_data_is_never_a_reproduction(report, tmp_path, visit):
    page = visit(table_page(report, tmp_path))
    line = page.locator(".results tbody tr").nth(1).inner_text()
    assert "45.0 on other data or another network: not a reproduction" in line
    assert not [part for part in ("→", "inside", "outside", "-45") if part in line]
    assert "Not a reproduction." in page.inner_text(".warning")
    own = copy.deepcopy(report)
    own["rows"].pop(1)
    assert visit(table_page(own, tmp_path)).locator(".warning").count() == 0


def test_a_table_on_a_phone_before_anything_has_run(report, tmp_path, visit):
    for row in report["rows"]:
        row["cells"]["market1501"] = cell(row["cells"]["market1501"]["published"], state="missing")
    page = visit(table_page(report, tmp_path), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "not yet run" in page.locator(".results tbody tr").first.inner_text()
    assert "Nothing has been run yet" in page.inner_text("body")


def test_the_first_press_puts_the_best_first(report, tmp_path, visit):
    """The highest mAP, but the lowest R, a ratio that is better when it is low."""
    scores = {"A": (71.0, 0.48), "B": (75.0, 0.6), "C": (60.0, 0.3)}
    report["metrics"] = ["mAP", "R"]
    report["rows"] = [
        report["rows"][0] | {"name": name, "cells": {"market1501": cell({"mAP": mean, "R": ratio})}}
        for name, (mean, ratio) in scores.items()
    ]
    page = visit(table_page(report, tmp_path))
    _, by_map, by_ratio = page.locator(".results th button").all()
    by_map.click()
    assert names(page) == ["B", "A", "C"]
    orders = []
    for _ in range(3):
        by_ratio.click()
        orders.append(names(page))
    assert orders == [["C", "A", "B"], ["B", "A", "C"], ["A", "B", "C"]]
