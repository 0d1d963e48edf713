import json
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from reid_lit import paths
from reid_lit.callbacks.pictures import Pictures, _det_curves
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import QueryScores, score_queries
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.top import top
from reid_lit.figures.curves import cmc_curve, learning_curves
from reid_lit.figures.failures import failure_report, select, worst_queries
from reid_lit.figures.ranked import MATCH, REMOVED, WRONG, ranked_lists, who
from reid_lit.figures.tiles import picture, tile
from reid_lit.records import Shot


@pytest.fixture
def case(tmp_path):
    """Six queries and 18 gallery images of six persons; one person is never in the gallery, one image is junk."""
    generator = torch.Generator().manual_seed(1)

    def shot(role, number, person, camera):
        path = tmp_path / f"{role}_{number:03d}.png"
        Image.new("RGB", (20 + number, 60), (40 * (person % 6), 90, 200)).save(path)
        return Shot(path, person, camera)

    query = [shot("query", number, number, number % 2) for number in range(6)]
    gallery = [shot("gallery", number, number % 5, number // 5 % 3) for number in range(17)] + [
        shot("gallery", 17, -1, 0)
    ]
    lists = Lists(
        *(
            torch.tensor([getattr(shot, name) for shot in shots])
            for shots in (query, gallery)
            for name in ("person_id", "camera_id")
        )
    )
    embeddings = [torch.randn(len(shots), 3, generator=generator) for shots in (query, gallery)]
    return query, gallery, lists, embeddings


def colours(image):
    """The colours of areas, not of the edges of letters."""
    return {colour for count, colour in image.getcolors(maxcolors=1 << 24) if count > 500}


def test_frames_tell_match_wrong_and_removed_apart(case):
    query, gallery, lists, embeddings = case
    image = ranked_lists(
        query, gallery, top(Ranker(*embeddings, lists, Protocol()), k=18, keep_junk=True), title="a title"
    )
    assert {MATCH, WRONG, REMOVED} <= colours(image)
    nearest = top(Ranker(*embeddings, lists, Protocol()), k=10)
    assert REMOVED not in colours(ranked_lists(query, gallery, nearest))
    longer = ranked_lists(query, gallery, nearest, scores=score_queries(Ranker(*embeddings, lists, Protocol())))
    assert longer.width > ranked_lists(query, gallery, nearest).width


def test_a_short_gallery_leaves_places_empty(case):
    query, gallery, lists, embeddings = case
    wide = ranked_lists(query, gallery, top(Ranker(*embeddings, lists, Protocol()), k=40, rows=torch.tensor([2])))
    assert wide.width > wide.height
    with pytest.raises(ValueError, match="rows names no query"):
        top(Ranker(*embeddings, lists, Protocol()), rows=torch.arange(0))
    with pytest.raises(ValueError, match="no query to draw"):
        ranked_lists(query, gallery, select(top(Ranker(*embeddings, lists, Protocol())), []))


def test_captions_count_cameras_from_one(tmp_path):
    assert who(Shot(tmp_path, 17, 2)) == "c3, person 17"
    assert who(Shot(tmp_path, -1, 0)) == "c1, junk"


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_file_is_a_grey_field_with_its_name(tmp_path, content):
    path = tmp_path / "a_file_with_a_long_name.png"
    if content is not None:
        path.write_bytes(content)
    field = picture(path)
    assert field.tobytes() != picture(path.with_name("another.png")).tobytes()


def test_proportions_and_modes_of_images(tmp_path):
    for mode in ("L", "P", "RGBA", "1", "I;16"):
        Image.new(mode, (10, 60)).save(tmp_path / "x.png")
        assert tile(Shot(tmp_path / "x.png", 1, 0), ("one", "two " * 30), WRONG, "✗").mode == "RGB"


def test_rank1_can_be_read_off_the_failure_report(case, tmp_path):
    query, gallery, lists, embeddings = case
    result = evaluate(Ranker(*embeddings, lists, Protocol()))
    paths = failure_report(
        tmp_path / "new", query, gallery, top(Ranker(*embeddings, lists, Protocol())), result.queries, number=3
    )
    assert [path.name for path in paths] == ["failures.png", "failures.json"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["failures.json", "failures.png"]
    report = json.loads(paths[1].read_text(encoding="utf-8"))
    counted = [entry for entry in report["queries"] if entry["first_match_rank"] is not None]
    assert len(report["queries"]) == 6
    assert len(counted) == 5  # person 5 is not in the gallery
    assert sum(entry["top1_is_match"] for entry in counted) / len(counted) == result.scores["rank1"]
    assert sum(entry["first_match_rank"] == 1 for entry in counted) / len(counted) == result.scores["rank1"]
    ranks = [failure["first_match_rank"] for failure in report["failures"]]
    assert ranks == sorted((entry["first_match_rank"] for entry in counted), reverse=True)[:3]
    for failure in report["failures"]:
        hits = [place for place, entry in enumerate(failure["top10"], 1) if entry["is_match"]]
        assert len(hits) == failure["matches_in_top10"]
        assert not hits or hits[0] == failure["first_match_rank"]
        assert not hits or failure["top10"][hits[0] - 1]["file"] == failure["first_match"]


def test_the_failure_report_wants_all_queries_without_removed(case, tmp_path):
    query, gallery, lists, embeddings = case
    scores = score_queries(Ranker(*embeddings, lists, Protocol()))
    some = top(Ranker(*embeddings, lists, Protocol()), rows=torch.tensor([1]))
    with pytest.raises(ValueError, match="give all, in order"):
        failure_report(tmp_path, query, gallery, some, scores)
    with pytest.raises(ValueError, match="without keep_junk"):
        failure_report(
            tmp_path, query, gallery, top(Ranker(*embeddings, lists, Protocol()), k=18, keep_junk=True), scores
        )


def test_worst_first_and_equal_ranks_by_precision():
    first, precision = torch.tensor([1, 9, 0, 9, 4]), torch.tensor([1.0, 0.3, torch.nan, 0.2, 0.5]).double()
    none = (first == 0).long()
    scores = QueryScores(first, first, precision, precision, first, none)
    assert worst_queries(scores, 3) == [3, 1, 4]


def test_half_a_file_is_never_left(tmp_path):
    path = tmp_path / "folder" / "x.txt"
    paths.write_whole(path, lambda beside: beside.write_text("old"))

    def fail(beside):
        beside.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        paths.write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_cmc_curve(case, tmp_path):
    _, _, lists, embeddings = case
    queries = score_queries(Ranker(*embeddings, lists, Protocol()))
    first = queries.first_match[queries.valid]
    figure = cmc_curve({"a": first, "b": first}, ranks=20, title="title")
    figure.savefig(tmp_path / "cmc.png")
    heights = figure.axes[0].lines[0].get_ydata()
    assert len(heights) == 20
    assert heights[0] == pytest.approx((first == 1).double().mean().item())
    with pytest.raises(ValueError, match="no scores"):
        cmc_curve({})


def test_learning_curves(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "epoch,step,train/loss,train/accuracy,lr-SGD,val/mAP\n0,0,3.0,0.1,,\n,1,,,0.05,\n0,1,2.0,0.2,,\n0,1,,,,0.4\n"
    )
    figure = learning_curves(path, title="run")
    figure.savefig(tmp_path / "curves.png")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "learning rate", "accuracy, validation"]
    assert list(figure.axes[0].lines[0].get_ydata()) == [3.0, 2.0]
    path.write_text("epoch,step,other\n0,1,2\n")
    with pytest.raises(ValueError, match="no train/, lr or val/ column"):
        learning_curves(path)


def test_a_store_that_takes_no_pictures_stops_nothing(tmp_path, monkeypatch, caplog):
    sent = []

    class Store:
        def log_image(self, key, images):
            raise ConnectionError("no bucket")

    class Other:
        def log_image(self, key, images):
            sent.append((key, images))

    pictures = Pictures(folder=str(tmp_path), queries=1, top=1, removed=False, rankings=0)
    monkeypatch.setattr(pictures, "draw", lambda *_: {"cmc": tmp_path / "cmc.png"})
    data = SimpleNamespace(split=SimpleNamespace(name="ward"))
    stores = [Store(), object(), Other()]
    trainer = create_autospec(pl.Trainer, instance=True, is_global_zero=True, datamodule=data, loggers=stores)
    module = pl.LightningModule()
    module.tested = (None, None)
    pictures.on_test_end(trainer, module)
    assert sent == [("ward/cmc", [str(tmp_path / "cmc.png")])]
    assert "Store did not take all pictures of ward; they are in" in caplog.text
    assert "no bucket" in caplog.text


def test_det_curves_are_drawn_where_they_were_measured(case, tmp_path):
    *_, lists, embeddings = case
    words = {"camera_rule": "any_camera", "roc": [0.5], "identification": [0.5]}
    result = evaluate(Ranker(*embeddings, lists, Protocol(**words)))
    files = _det_curves(tmp_path, "ward", result)
    assert files == {name: tmp_path / f"{name}.png" for name in ("det", "det_identification")}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files.values())
    assert _det_curves(tmp_path, "ward", evaluate(Ranker(*embeddings, lists, Protocol()))) == {}
