"""Scores by group: intervals over persons, tables of attributes, groups that are too small."""

import numpy as np
import pytest

from reid_lit.cards.attributes import MOST_VALUES, own_tables, read_attributes
from reid_lit.cards.groups import NO_VALUE, Queries, RankedTest, Wanted, draws, groups_of, interval, scores, strangers
from reid_lit.errors import InputError, MissingFileError


def table(tmp_path, text, name="reid.csv"):
    file = tmp_path / name
    file.write_text(text)
    return file


def queries(folder="/data"):
    """Persons 1 to 4 with two queries each; person 4 has one without a match."""
    persons = [1, 1, 2, 2, 3, 3, 4, 4]
    return Queries(
        path=[f"{folder}/{person:04d}_{number}.jpg" for number, person in enumerate(persons)], person=persons,
        camera=[1, 2] * 4, first=[1, 2, 1, 1, 5, 1, None, 3], ap=[1.0, 0.5, 1.0, 1.0, 0.2, 1.0, None, 0.25],
    )  # fmt: skip


def ranked(**changes):
    return RankedTest(folder=".", dataset="corridor", queries=queries(**changes))


def test_an_interval_is_that_of_means_over_persons_drawn_with_all_of_their_values():
    values, persons = np.array([1.0, 0.0, 1.0, 0.5, 0.25, 0.0]), np.array([7, 7, 7, 3, 9, 9])
    means = []
    for weight in draws(3, 200):
        drawn = [
            value for value, person in zip(values, persons, strict=True) for _ in range(weight[(3, 7, 9).index(person)])
        ]
        means.append(sum(drawn) / len(drawn))
    mean, low, high = interval(values, persons, resamples=200)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_queries_of_one_person_count_as_one():
    """Ten copies of every query say no more than one: the interval is as wide as that of the persons alone."""
    values, persons = np.random.default_rng(0).random(60), np.arange(60)
    alone = interval(values, persons, resamples=500)
    assert interval(np.repeat(values, 10), np.repeat(persons, 10), resamples=500) == pytest.approx(alone)
    apart = interval(np.repeat(values, 10), np.arange(600), resamples=500)
    assert apart[2] - apart[1] < 0.5 * (alone[2] - alone[1])


def test_scores_of_some_queries():
    found = scores(queries(), range(8), resamples=50, least_persons=4)
    assert (found["queries"], found["persons"], found["without_match"]) == (7, 4, 1)
    assert found["rank1"]["value"] == pytest.approx(4 / 7)
    assert found["mAP"]["value"] == pytest.approx((1 + 0.5 + 1 + 1 + 0.2 + 1 + 0.25) / 7)
    assert found["rank1"]["low"] < found["rank1"]["value"] < found["rank1"]["high"]
    small = scores(queries(), range(4), resamples=50, least_persons=3)
    assert small == {"queries": 4, "persons": 2, "without_match": 0, "reason": "no scores of fewer than 3 persons"}


def test_groups_by_person_and_by_camera(tmp_path):
    file = table(tmp_path, "person,coat,height\n0001,red,180\n0002,blue,170\n0003,red,175\n")
    (found,) = groups_of(
        [ranked()], Wanted(attributes=[read_attributes(file)], of="corridor", least_persons=2, resamples=20)
    )
    assert list(found["columns"]) == ["camera", "coat", "height"]
    assert [group["value"] for group in found["columns"]["height"]] == ["170", "175", "180", NO_VALUE]
    blue, red, unsaid = found["columns"]["coat"]
    assert (red["value"], red["queries"], red["persons"]) == ("red", 4, 2)
    assert red["mAP"]["value"] == pytest.approx((1 + 0.5 + 0.2 + 1) / 4)
    assert (blue["value"], blue["reason"]) == ("blue", "no scores of fewer than 2 persons")
    assert (unsaid["value"], unsaid["queries"], unsaid["without_match"]) == (NO_VALUE, 1, 1)
    assert [group["value"] for group in found["columns"]["camera"]] == ["1", "2"]


@pytest.mark.parametrize("names", ["below the table", "by name alone"])
def test_groups_by_image(tmp_path, names):
    folder = tmp_path if names == "below the table" else "/elsewhere"
    rows = "".join(f"{place:04d}_{n}.jpg,{'ab'[n % 2]}\n" for n, place in enumerate((1, 1, 2, 2, 3, 3, 4, 4)))
    file = table(tmp_path, f"Path,gait\n{rows}")
    (found,) = groups_of(
        [ranked(folder=folder)], Wanted(attributes=[read_attributes(file)], of="corridor", resamples=20)
    )
    assert [(group["value"], group["queries"]) for group in found["columns"]["gait"]] == [("a", 3), ("b", 4)]


def test_boxes_of_an_image_are_told_apart(tmp_path):
    known = read_attributes(table(tmp_path, "path,x,y,w,h,coat\nf.jpg,0,0,8,16,red\nf.jpg,8,0,8,16,blue\n"))
    images = [f"{tmp_path}/f.jpg{box}" for box in ("#xywh=8,0,8,16", "#xywh=0,0,8,16", "")]
    rows = known.rows(images, [1, 2, 3], numbered=False)
    assert known.values("coat", rows) == ["blue", "red", ""]


def test_numbers_are_of_one_data_set(tmp_path):
    """Person 1 of another data set is somebody else; an evaluation is shown where the table knows its queries."""
    known = read_attributes(table(tmp_path, "person,coat\n1,red\n2,blue\n"))
    own = RankedTest(folder="evaluate/a", dataset="corridor_a_to_b", queries=queries())
    strange = RankedTest(folder="evaluate/b", dataset="hall", queries=queries())
    wanted = Wanted(attributes=[known], of="corridor", resamples=5)
    assert [test["folder"] for test in groups_of([own, strange], wanted)] == ["evaluate/a"]
    assert strangers([strange], wanted) == [known]
    assert strangers([strange, own], wanted) == []
    paths = read_attributes(table(tmp_path, "path,coat\n/data/0001_0.jpg,red\n/data/0001_1.jpg,blue\n"))
    assert strangers([strange], Wanted(attributes=[paths], of="corridor")) == []


def test_columns_that_make_no_group_are_said(tmp_path):
    rows = "".join(f"{person},{person},x,{person % 2}\n" for person in range(MOST_VALUES + 1))
    file = table(tmp_path, f"person,frame,place,coat\n{rows}")
    known = read_attributes(file)
    assert list(known.columns) == ["coat"]
    assert known.passed == (
        "frame has 21 values; columns=[frame] makes a group of each", "place has 1 value and parts nobody",
    )  # fmt: skip
    assert list(read_attributes(file, ["frame"]).columns) == ["frame"]


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("name,coat\na,red\n", None, "no column path or person but name, coat"),
        ("person,coat\n1,red\n01,blue\n", None, "person 01 is there twice"),
        ("person,coat\nann,red\n", None, "person 'ann' is no number"),
        ("person,coat\n1,red\n", ["cot"], r"columns=\['cot'\]: no column 'cot'; did you mean coat\?"),
        ("person,coat\n1,red,3\n", None, "another number of cells"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, columns, said):
    with pytest.raises(InputError, match=said):
        read_attributes(table(tmp_path, text), columns)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        read_attributes(tmp_path / "gone.csv")


def test_a_runs_own_tables(tmp_path):
    file = table(tmp_path, "path,coat\n")
    configs = [
        {"dataset": {"_target_": "reid_lit.data.sets.csv_list.CsvList", "root": str(file)}},
        {"test_on": ["ward", {"dataset": "csv", "root": str(tmp_path)}, {"dataset": "csv", "root": "gone.csv"}]},
        {"dataset": {"_target_": "reid_lit.data.sets.ward.Ward", "root": str(tmp_path)}},
    ]
    assert own_tables(configs) == [file, tmp_path / "reid.csv"]
