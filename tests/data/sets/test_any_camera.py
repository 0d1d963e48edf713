"""Data sets of which no camera is known: the rule of their own counts, whatever evaluation is chosen."""

import dataclasses

import pytest

from reid_lit.checkup.matches import without_match
from reid_lit.data.sample import Sample
from reid_lit.data.sets import cuhk_sysu, ilids, vehicleid
from reid_lit.data.sets.joint import join
from reid_lit.data.splits import hold_out
from reid_lit.errors import InputError
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import check_matches
from reid_lit.records import Rules

DIVIDED = Sample(
    images={
        f"{place}/{person:05}_s{scene}_{scene:07}_0.jpg": (person, 0)
        for place, person, scenes in (("train", 1, (1, 2)), ("train", 2, (3, 4)), ("query", 3, (5,)), ("gallery", 3, (6,)))
        for scene in scenes
    }
)  # fmt: skip
READERS = {
    "cuhk_sysu": (cuhk_sysu.read, DIVIDED),
    "ilids": (ilids.read, ilids.SAMPLE),
    "vehicleid": (vehicleid.read, vehicleid.SAMPLE),
}


def checked(split):
    check_matches(Lists.of(split.query, split.gallery), Protocol().under(split.rules))


@pytest.fixture(params=READERS)
def split(request, tmp_path):
    read, sample = READERS[request.param]
    for name in (*sample.images, *sample.files):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(sample.files.get(name, b""))
    return read(tmp_path)


def test_persons_held_out_of_training_are_scored_by_its_rule(split):
    for source in (split, join([split, dataclasses.replace(split, name="twin")])):
        _, held = hold_out(source, 1, seed=0)
        assert held.kind == split.kind
        checked(held)
    with pytest.raises(InputError, match="camera_rule=cross_camera: no query has a match"):
        checked(dataclasses.replace(held, rules=Rules()))


def test_the_doctor_looks_for_matches_by_its_rule(split, tmp_path):
    assert without_match(split, Protocol(), tmp_path) == []
    (finding, *_) = without_match(
        dataclasses.replace(split, rules=Rules(), tests=_unruled(split)), Protocol(), tmp_path
    )
    assert "only under the query's own camera" in finding.fact


def _unruled(split):
    return tuple(dataclasses.replace(test, rules=Rules()) for test in split.tests)


def test_how_the_tests_gallery_is_drawn_is_no_rule_of_persons_held_out(split):
    rules = dataclasses.replace(split.rules, ap="sklearn", single_gallery_shot=10)
    _, held = hold_out(dataclasses.replace(split, rules=rules), 1, seed=0)
    assert (held.rules.ap, held.rules.single_gallery_shot) == ("sklearn", 0)
