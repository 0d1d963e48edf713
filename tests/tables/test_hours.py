"""How long a table will take: by its file before it starts, then by what is done."""

import json
from dataclasses import replace

import pytest

from reid_lit.jobs.job import Job
from reid_lit.tables.hours import hours_in_words
from reid_lit.tables.jobs import Place
from reid_lit.tables.plan import chains
from reid_lit.tables.spec import Cell

SPEC = {
    "rows": [{"name": "A"}, {"name": "B", "real": {"minutes": 60}}, {"name": "C"}],
    "real": {"minutes": 30, "test_minutes": 6},
}


@pytest.fixture
def places(tmp_path):
    """Three rows, a training each; the last has an evaluation."""
    found = []
    for row, name in enumerate("abc"):
        training = Job(name=name, folder=tmp_path / name, overrides=())
        evaluation = Job(name="test", folder=training.folder / "evaluate", overrides=()) if name == "c" else None
        cell = Cell(row=row, label="m", train=(), evaluate=())
        found.append(Place(cell=cell, seed=0, training=training, evaluation=evaluation, wanted=True))
    return found


def finish(job, seconds=None):
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / "metrics.json").write_text("{}")
    starts = [] if seconds is None else [{"seconds": seconds - 100}, {"seconds": 100}]  # killed once
    (job.folder / "job.json").write_text(json.dumps({"starts": starts}))


def words(places, size="real", spec=SPEC):
    return hours_in_words(spec, size, places, chains(places))


def test_before_the_start_the_file_tells(places):
    assert (
        words(places) == "About 2.1 hours, one job after another (the estimate of the table's file)."
    )  # 30 + 60 + 30 + 6


def test_what_is_done_corrects_the_estimate_of_the_rest(places):
    finish(places[0].training, seconds=2 * 30 * 60)  # twice as long as stated
    assert (
        words(places) == "About 3.1 hours, one job after another (by the trainings of it that are done)."
    )  # 2 · 90 + 6
    finish(places[2].training, seconds=2 * 30 * 60)
    finish(places[2].evaluation, seconds=60)
    assert words(places).startswith("About 2.0 hours")


def test_a_training_whose_time_is_not_known_corrects_nothing(places):
    finish(places[0].training)
    assert words(places) == "About 1.6 hours, one job after another (the estimate of the table's file)."


def test_without_an_estimate_the_mean_of_those_that_are_done_is_taken(places):
    assert words(places, "paper") == ""
    finish(places[0].training, seconds=3600)
    assert words(places[:2], "paper").startswith("About 1.0 hours")


def test_a_stage_takes_what_the_size_states(places, tmp_path):
    stage = Job(name="s", folder=tmp_path / "s", overrides=())
    assert words([replace(places[1], before=(stage,))]).startswith("About 1.5 hours")


def test_nothing_is_said_where_all_is_done(places):
    for place in places:
        finish(place.training, seconds=60)
        finish(place.last, seconds=60)
    assert words(places) == ""
