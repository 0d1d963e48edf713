"""Scores of runs and of tables as pictures: the numbers drawn are those of the files."""

import json

import pytest
from hydra.utils import instantiate

from reid_lit.figures.bars import Score, bars_figure, published_figure

STAMP = {"ap": "step", "distance": "cosine", "feature": "embedding", "test_time_augmentation": "none"}


@pytest.fixture
def draw(compose):
    def drawn(*overrides):
        config = compose(*overrides, config_name="figure")
        return instantiate(config.figure, _convert_="all")(config)

    return drawn


@pytest.fixture
def finished(tmp_path):
    def make(name, *results):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text(json.dumps({"results": results}))
        return tmp_path / name

    return make


def result(dataset, rank1, mean, **more):
    return {"dataset": dataset, "scores": {"rank1": rank1, "mAP": mean}, "stamp": STAMP | more}


def heights(figure):
    return {
        bars.get_label(): [bar.get_height() for bar in bars]
        for bars in figure.axes[0].containers
        if hasattr(bars, "patches")
    }


def test_the_bars_are_the_scores_of_the_runs(draw, finished):
    a = finished("a", result("market1501", 0.9, 0.8), result("dukemtmc", 0.33, 0.17))
    b = finished("b", result("dukemtmc", 0.7935, 0.6174, distance="euclidean"))
    drawing = draw("figure=scores", f"runs={{Zero-shot: {a}, ResNet-50: {b}}}", "figure.dataset=dukemtmc")
    assert heights(drawing.figure) == {"rank-1": pytest.approx([33.0, 79.35]), "mAP": pytest.approx([17.0, 61.74])}
    axes = drawing.figure.axes[0]
    assert axes.get_title().replace("\n", " ") == (
        "rank-1 and mAP on dukemtmc: AP by step, distance differs, retrieval by embedding"
    )
    assert axes.get_ylabel() == "score in %"
    assert [text.get_text() for text in axes.texts] == ["33.0", "79.3", "17.0", "61.7"]
    with pytest.raises(ValueError, match=r"has no result on ward; figure.dataset is one of market1501, dukemtmc"):
        draw("figure=scores", f"runs={{a: {a}}}", "figure.dataset=ward")
    with pytest.raises(FileNotFoundError, match="give the folder of a finished run"):
        draw("figure=scores", f"runs={{a: {a.parent}}}")


def report(tmp_path, *, reproduction, unit="percent"):
    cell = {"published": {"rank1": 94.1, "mAP": 85.7}, "ours": {"rank1": {"mean": 93.5, "sd": 0.2, "n": 3}}}
    rows = [
        {"name": "+BNNeck", "cells": {"market1501": cell | {"stamp": STAMP, "reproduction": reproduction}}},
        {"name": "PUL", "cells": {"market1501": {"published": {"rank1": 45.5, "mAP": 20.5}}}},
    ]
    content = {"title": "Tricks", "source": "Luo, Table I", "unit": unit, "metrics": ["rank1", "mAP"], "rows": rows}
    (tmp_path / "report.json").write_text(json.dumps(content))
    return f"report={tmp_path}/report.json"


def test_a_table_has_the_published_scores_and_ours(draw, tmp_path):
    drawing = draw("figure=table", report(tmp_path, reproduction=True))
    first, second = drawing.numbers.values()
    assert list(drawing.numbers) == ["market1501: rank-1", "market1501: mAP"]
    assert first["+BNNeck"] == {"published": 94.1, "ours": 93.5, "deviation": 0.2}
    assert second == {
        "+BNNeck": {"published": 85.7, "ours": None, "deviation": None},
        "PUL": {"published": 20.5, "ours": None, "deviation": None},
    }
    assert drawing.figure.get_suptitle().replace("\n", " ") == (
        "Tricks (Luo, Table I): AP by step, cosine distance, retrieval by embedding"
    )
    assert all(axes.get_xlabel() == "score in %" for axes in drawing.figure.axes)
    labels = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert labels == ["published", "ours: mean ± standard deviation of up to 3 seeds"]


def test_other_data_than_the_papers_is_never_drawn_beside_published_scores(draw, tmp_path):
    drawing = draw("figure=table", report(tmp_path, reproduction=False))
    assert {each["published"] for rows in drawing.numbers.values() for each in rows.values()} == {None}
    assert list(drawing.numbers) == ["market1501: rank-1"]
    assert "not the paper's data and network: no reproduction" in drawing.figure.get_suptitle().replace("\n", " ")


def test_fractions_are_drawn_in_percent(draw, tmp_path):
    numbers = draw("figure=table", report(tmp_path, reproduction=True, unit="fraction")).numbers
    assert numbers["market1501: rank-1"]["+BNNeck"]["ours"] == 9350


def test_what_is_not_given_is_named(draw, tmp_path):
    with pytest.raises(ValueError, match="no table is given: report="):
        draw("figure=table")
    with pytest.raises(FileNotFoundError, match=r"python -m reid_lit\.report"):
        draw("figure=table", f"report={tmp_path}/none.json")
    with pytest.raises(ValueError, match="no scores to draw"):
        bars_figure({})
    with pytest.raises(ValueError, match="no scores to draw"):
        published_figure({}, ours="ours")


def test_whiskers_are_drawn_where_there_are_deviations():
    with_whiskers = bars_figure({"a": {"mAP": Score(50.0, 2.0)}, "b": {"mAP": Score(40.0)}})
    without = bars_figure({"a": {"mAP": Score(50.0)}})
    assert (len(with_whiskers.axes[0].collections), len(without.axes[0].collections)) == (1, 0)
