import json
import re

import pytest

from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.top import top
from reid_lit.page import page as page_entry
from reid_lit.pages.charts import cmc_chart, learning_charts
from reid_lit.pages.facts import scores_of
from reid_lit.pages.rankings import write_rankings
from reid_lit.pages.rankings_file import read_rankings
from reid_lit.pages.run import run_page
from reid_lit.pages.thumbnails import ThumbnailSize, thumbnails

SIZE = ThumbnailSize(width=32, height=64, quality=80)


def percent(text):
    return float(re.search(r"([\d.]+) %", text).group(1))


def oracle(case, row, k):
    """The list of a query as sets and a sort: gallery indices and marks, up to the k-th that counts."""
    query, gallery, _, (asked, others), _ = case
    order = sorted(range(len(gallery)), key=lambda index: (round(float((asked[row] - others[index]).norm()), 6), index))
    shown, marks, counted = [], "", 0
    for index in order:
        if counted == k:
            break
        person, camera = gallery[index].person_id, gallery[index].camera_id
        removed = person == -1 or (person == query[row].person_id and camera == query[row].camera_id)
        counted += not removed
        shown.append(index)
        marks += "r" if removed else "m" if person == query[row].person_id else "w"
    return shown, marks


def test_rankings_are_the_lists_of_the_definition(case, tmp_path):
    query, gallery, lists, embeddings, result = case
    protocol = Protocol(distance="euclidean")
    nearest = top(Ranker(*embeddings, lists, protocol), k=60, keep_junk=True)
    file = write_rankings(tmp_path / "a.json", query, gallery, nearest, result.queries, k=7, about={"dataset": "x"})
    written = json.loads(file.read_text())
    for row in range(len(query)):
        shown, marks = oracle(case, row, 7)
        assert [written["gallery"]["path"][slot] for slot in written["top"][row]] == [
            str(gallery[index].path) for index in shown
        ]
        assert written["mark"][row] == marks
    assert {"m", "w", "r"} == set("".join(written["mark"]))
    assert [
        first for first, person in zip(written["first"], written["query"]["person"], strict=True) if person == 7
    ] == [None] * 3
    with pytest.raises(ValueError, match="2 rows of top"):
        write_rankings(
            file,
            query,
            gallery,
            top(Ranker(*embeddings, lists, protocol), rows=nearest.rows[:2]),
            result.queries,
            k=7,
            about={},
        )


def test_thumbnails_are_made_once_and_found_again(case, tmp_path):
    query, *_ = case
    paths = [str(query[0].path), str(query[1].path), str(query[0].path), str(tmp_path / "none.jpg")]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    made = thumbnails([*paths, str(tmp_path / "broken.png")], tmp_path / "images", SIZE)
    assert [made[path] is None for path in made] == [False, False, True, True]
    copies = {file: file.stat().st_mtime_ns for file in (tmp_path / "images").iterdir()}
    assert {f"images/{file.name}" for file in copies} == {address for address in made.values() if address}
    assert thumbnails(paths, tmp_path / "images", SIZE) == {path: made[path] for path in dict.fromkeys(paths)}
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "images").iterdir()} == copies
    assert thumbnails(paths[:1], None, SIZE)[paths[0]].startswith("data:image/jpeg;base64,")


def test_curves(run):
    loss, rate = learning_charts(run / "log" / "metrics.csv")
    assert (loss["title"], loss["data"][0]["x"], loss["data"][0]["y"]) == ("loss", (1.0, 2.0), (2.5, 2.0))
    assert rate["data"][0]["y"] == (0.1, 0.05)
    assert learning_charts(run / "none.csv") == []
    curve = cmc_chart({"a": [1, 2, 2, 9], "nobody": []}, ranks=3)
    assert [line["name"] for line in curve["data"]] == ["a"]
    assert curve["data"][0]["y"] == (25.0, 75.0, 75.0)
    assert cmc_chart({"nobody": []}) is None


def test_what_is_missing_is_named(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no .*metrics\.json; give run="):
        run_page(tmp_path, tmp_path / "page.html", SIZE, embed=True)
    file = run / "pictures" / "made_up" / "rankings.json"
    file.write_text(file.read_text().replace('"format":1', '"format":0'))
    with pytest.raises(ValueError, match="has format 0, this version reads 1: test the run again"):
        read_rankings(run)


def test_a_run_without_lists_has_a_page_with_its_pairs_of_views(run):
    (run / "pictures" / "made_up" / "rankings.json").unlink()
    content = json.loads((run / "metrics.json").read_text())
    one, all_found = {"queries": 4, "rank1": 0.25, "mAP": 0.5}, {"queries": 7, "rank1": 1.0, "mAP": 1.0}
    pairs = [{"query": "rear", "gallery": "front"} | one, {"query": "front", "gallery": "front"} | all_found]
    content["results"][0]["details"] = {"view_pairs": {"other": one, "pairs": pairs}}
    (run / "metrics.json").write_text(json.dumps(content))
    page = run_page(run, run / "page.html", SIZE, embed=True).read_text()
    assert "keeps no ranked lists" in page
    assert "<p>Among gallery images of other views: 25.0 / 50.0 (4)</p>" in page
    assert '<th scope="row">front</th><td>100.0 / 100.0 (7)</td>' in page
    assert '<th scope="row">rear</th><td>25.0 / 50.0 (4)</td>' in page


def test_rank1_read_off_the_page_is_the_metric(case, run, visit):
    page = visit(run_page(run, run / "page.html", SIZE, embed=False))
    result = case[-1]
    assert percent(page.inner_text("#verdict")) == round(100 * result.scores["rank1"], 2)
    page.select_option("#order", "list")
    first = {}
    while True:
        for entry in page.query_selector_all(".entry"):
            counted = [
                tile
                for tile in entry.query_selector_all(".tile:not(.q)")
                if "r" not in tile.get_attribute("class").split()
            ]
            first[int(entry.get_attribute("data-query"))] = "m" in counted[0].get_attribute("class").split()
        if page.is_disabled("#next"):
            break
        page.click("#next")
    hits = [first[row] for row in result.queries.valid.nonzero()[:, 0].tolist()]
    assert len(first) == 24
    assert sum(hits) / len(hits) == pytest.approx(result.scores["rank1"])
    assert "3 more have no match" in page.inner_text("#verdict")
    assert "a </script> name" in page.inner_text("h1")


def aps(page):
    return [percent(text) for text in page.locator(".who").all_inner_texts() if "AP" in text]


def test_filter_and_order(case, run, visit):
    result = case[-1]
    page = visit(run_page(run, run / "page.html", SIZE, embed=True))
    worst = aps(page)
    assert worst == sorted(worst)
    assert worst[0] == pytest.approx(
        100 * float(result.queries.average_precision[result.queries.valid].min()), abs=0.01
    )
    page.select_option("#order", "best")
    assert aps(page) == sorted(aps(page), reverse=True)
    assert aps(page)[0] > worst[0]
    page.select_option("#camera", "2")
    assert "of 8 queries" in page.inner_text("#place")
    page.fill("#person", "3")
    assert page.locator(".who b").all_inner_texts() == ["query 11: c2, person 3"]
    page.click("text=all queries")
    page.fill("#from", "50")
    assert min(aps(page)) >= 50
    page.fill("#from", "")
    page.fill("#text", "query_05")
    assert page.locator(".entry").count() == 1
    page.fill("#text", "")
    page.check("#failed")
    wrong = int((result.queries.first_match > 1).sum())
    assert f"of {wrong} queries" in page.inner_text("#place")
    removed = page.locator(".tile.r").count()
    page.uncheck("#removed")
    assert removed > page.locator(".tile.r").count() == 0


def test_keyboard_missing_images_and_details(run, visit):
    page = visit(run_page(run, run / "page.html", SIZE, embed=True))
    page.locator(".tile.q").first.focus()
    page.keyboard.press("ArrowRight")
    says = page.inner_text("#says")
    assert re.match(r"[✓✗–] (rank 1, )?.*distance [\d.]+, c\d", says)
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#says") != says
    page.keyboard.press("n")
    assert page.inner_text("#place").startswith("11 to 20")
    page.keyboard.press("p")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "text"
    page.select_option("#order", "list")
    assert "gone.png" in page.locator(".gone").first.inner_text()


def test_nothing_is_wider_than_a_phone(run, visit):
    page = visit(run_page(run, run / "page.html", SIZE, embed=True), width=390)
    assert page.locator(".entry").count() == 10
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_command(command, run):
    done = command(f"run={run}", cwd=run.parent, module="reid_lit.page")
    assert "opens in any browser, without a network" in done.stdout
    assert sorted(path.name for path in run.iterdir()) == ["log", "metrics.json", "page.html", "pictures"]


def test_a_run_must_be_named(compose, tmp_path):
    for given, words in (([], "no run is named; give run="), ([f"run={tmp_path}"], "no .*metrics.json; give run=")):
        with pytest.raises((ValueError, FileNotFoundError), match=words):
            page_entry(compose(*given, config_name="page"))


def test_scores_show_intervals_over_queries_or_galleries():
    details = {"identification": {"points": [{"fpir": 0.1, "fnir": 0.25, "low": 0.2, "high": 0.3}]}}
    result = {"dataset": "ward", "scores": {"fnir@fpir=0.1": 0.25, "mAP": 0.5}, "stamp": {}, "details": details}
    (shown,) = scores_of([result])
    assert shown["rows"] == [
        {"name": "FNIR at FPIR 0.1", "value": "25.00 %", "interval": "20.0 to 30.0"},
        {"name": "mAP", "value": "50.00 %", "interval": ""},
    ]
    assert shown["level"] == 0.95
