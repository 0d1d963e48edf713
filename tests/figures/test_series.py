import itertools

import numpy as np
import pytest
import torch

from reid_lit.figures.embedding import features_figure
from reid_lit.figures.norms import norms_figure, spread_of
from reid_lit.figures.pairs import pairs_figure
from reid_lit.figures.series import Panel, running_mean, series_figure


def test_a_running_mean_is_a_mean_around_each_value():
    values = np.random.default_rng(0).normal(size=40).tolist()
    for window in (1, 2, 5, 15):
        before, after = (window - 1) // 2, window // 2
        naive = [np.mean(values[max(0, place - before) : place + after + 1]) for place in range(40)]
        np.testing.assert_allclose(running_mean(values, window), naive)


def test_curves_are_the_points_and_tell_apart_by_dashes_too(tmp_path):
    curves = {"one": ([1, 2, 3], [0.1, 0.2, 0.4]), "another": ([1, 3], [0.5, 0.6])}
    panels = [Panel(x="epoch", y="mAP", curves=curves, percent=True), Panel(x="epoch", y="loss", curves=curves)]
    figure = series_figure(panels, title="a title")
    figure.savefig(tmp_path / "series.png")
    assert [axes.get_ylabel() for axes in figure.axes] == ["mAP", "loss"]
    lines = figure.axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [[0.1, 0.2, 0.4], [0.5, 0.6]]
    assert len({line.get_linestyle() for line in lines}) == 2
    with pytest.raises(ValueError, match="no curve to draw in mAP; give one"):
        series_figure([Panel(x="epoch", y="mAP", curves={})])


def test_a_smooth_curve_keeps_its_points_in_sight():
    values = [float(place % 7) for place in range(60)]
    pale, smooth = series_figure([Panel(x="x", y="y", curves={"a": (range(60), values)}, smooth=15)]).axes[0].lines
    assert pale.get_ydata().tolist() == values
    np.testing.assert_allclose(smooth.get_ydata(), running_mean(values, 15))
    few = {"a": (range(20), values[:20])}
    assert len(series_figure([Panel(x="x", y="y", curves=few, smooth=15)]).axes[0].lines) == 1


def test_rows_are_states_and_columns_images(tmp_path):
    before = torch.rand(3, 3, 8, 4)
    figure = pairs_figure({"before": before, "after": before.flip(0)}, title="a title")
    figure.savefig(tmp_path / "pairs.png")
    shown = [axes.images[0].get_array() for axes in figure.axes]
    np.testing.assert_array_equal(shown[0], shown[5])
    np.testing.assert_array_equal(shown[1], before[1].permute(1, 2, 0))
    with pytest.raises(ValueError, match="no image to draw in 0 rows; give one"):
        pairs_figure({})
    with pytest.raises(ValueError, match="no image to draw in after; give one"):
        pairs_figure({"before": before, "after": before[:0]})


def test_the_spread_of_norms_is_that_of_a_double_loop(tmp_path):
    norms = torch.rand(200, generator=torch.Generator().manual_seed(0)) * 5 + 1
    values = [float(value) for value in norms]
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    numbers = spread_of(norms, bins=7)
    assert (numbers["mean"], numbers["deviation"]) == pytest.approx((mean, deviation))
    assert numbers["variation"] == pytest.approx(deviation / mean)
    assert (numbers["least"], numbers["most"]) == (min(values), max(values))
    edges = numbers["edges"]
    naive = [sum(low <= v < high for v in values) for low, high in itertools.pairwise(edges)]
    naive[-1] += 1  # the largest lies on the last edge
    assert numbers["images"] == naive
    figure = norms_figure({"f_t": numbers, "f_i": spread_of(norms, bins=60)}, title="a title")
    figure.savefig(tmp_path / "norms.png")
    assert figure.axes[0].patches[0].get_data().values.tolist() == naive
    assert f"C.V. = σ/μ = {deviation / mean:.3f}" in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    with pytest.raises(ValueError, match="nothing to draw"):
        spread_of(torch.zeros(3), bins=7)


def test_ten_classes_are_ten_colours_and_ten_signs(tmp_path):
    points, label = torch.randn(100, 2), torch.arange(100) % 10
    figure = features_figure({"a": points, "b": 2 * points, "c": points}, label, columns=2, title="a title")
    figure.savefig(tmp_path / "features.png")
    dots = figure.axes[0].collections
    np.testing.assert_array_equal(dots[3].get_offsets(), points[label == 3])
    assert len({tuple(each.get_facecolor()[0]) for each in dots}) == 10
    assert len({each.get_paths()[0].vertices.tobytes() for each in dots}) == 10
    assert figure.axes[1].patches[0].get_radius() == 1
    with pytest.raises(ValueError, match="11 classes"):
        features_figure({"a": torch.randn(11, 2)}, torch.arange(11))
