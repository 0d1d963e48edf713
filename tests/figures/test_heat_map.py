import pytest

from reid_lit.figures.heat_map import heat_map


def test_every_value_stands_in_its_cell_and_none_is_left_white():
    figure = heat_map(["a", "b"], ["x", "y"], [[10.0, None], [80.0, 0.0]], label="mAP in %", title="made up")
    axes = figure.axes[0]
    texts = {(round(text.get_position()[0]), round(text.get_position()[1])): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): "10.0", (0, 1): "80.0", (1, 1): "0.0"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert figure.axes[1].get_ylabel() == "mAP in %"
    assert figure.get_suptitle() == "made up"


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no value to draw"):
        heat_map(["a"], ["x"], [[None]], label="mAP in %")
