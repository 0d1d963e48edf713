import statistics

import pytest

from reid_lit.run.results import averaged


def row(name, split_id=None, average="", **scores):
    numbered = {} if split_id is None else {"split_id": split_id}
    together = {"average": average} if average else {}
    stamp = {"ap": "step", "valid_queries": 10 * (split_id or 0)}
    return {"dataset": name, **numbered, **together, "scores": scores, "stamp": stamp, "test_seconds": 1.5}


def test_a_single_result_stays_as_it_is():
    rows = [row("market1501", mAP=0.5), row("ward", 3, mAP=0.25)]
    assert averaged(rows) == rows


def test_splits_are_averaged_with_their_sample_deviation():
    values = [0.5, 0.7, 0.9]
    (result,) = averaged([row("ward", k, rank1=value) for k, value in enumerate(values)])
    assert result["scores"] == {"rank1": pytest.approx(0.7)}
    assert result["deviations"] == {"rank1": pytest.approx(statistics.stdev(values))}
    assert result["splits"] == [0, 1, 2]
    assert result["stamp"] == {"ap": "step", "valid_queries": [0, 10, 20], "splits": 3}
    assert result["test_seconds"] == 4.5


def test_directions_are_averaged_within_a_split_before_the_splits_are():
    rows = [
        row("viper_a_to_b", 0, "viper", rank1=0.2), row("viper_b_to_a", 0, "viper", rank1=0.4),
        row("viper_a_to_b", 1, "viper", rank1=0.4), row("viper_b_to_a", 1, "viper", rank1=0.8),
    ]  # fmt: skip
    together, forth, back = averaged(rows)
    assert [result["dataset"] for result in (together, forth, back)] == ["viper", "viper_a_to_b", "viper_b_to_a"]
    assert together["scores"]["rank1"] == pytest.approx(0.45)
    assert together["deviations"]["rank1"] == pytest.approx(statistics.stdev([0.3, 0.6]))
    assert together["stamp"]["mean_of"] == ["viper_a_to_b", "viper_b_to_a"]
    assert forth["scores"]["rank1"] == pytest.approx(0.3)
    assert back["deviations"]["rank1"] == pytest.approx(statistics.stdev([0.4, 0.8]))


def test_one_split_of_both_directions_has_a_mean_without_deviation():
    together, *_ = averaged([row("a", 4, "both", rank1=0.2), row("b", 4, "both", rank1=0.4)])
    assert together["scores"]["rank1"] == pytest.approx(0.3)
    assert "deviations" not in together


def test_scores_that_not_every_split_has_are_left_out():
    (result,) = averaged([row("ward", 0, rank1=0.5, mAP_nd=0.5), row("ward", 1, rank1=0.7)])
    assert set(result["scores"]) == {"rank1"}


def test_directions_are_not_averaged_over_trainings():
    rows = [row(name, 0, "both", rank1=value) | {"round": number} for number, name, value in
            ((0, "a", 0.2), (0, "b", 0.4), (1, "a", 0.6), (1, "b", 1.0))]  # fmt: skip
    together, *_ = averaged(rows)
    assert together["scores"]["rank1"] == pytest.approx(0.55)
    assert together["deviations"]["rank1"] == pytest.approx(statistics.stdev([0.3, 0.8]))
