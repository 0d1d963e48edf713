"""What models ask of their training data: every kind of data set answers, and each its own."""

import pytest

from reid_lit.models.training_data import TrainingData
from reid_lit.run.datasets import make_data

PLAZA, CAMPUS = ("{dataset: synthetic, size: tiny, world: " + world + "}" for world in ("plaza", "campus"))
TRANSFER = ("dataset=transfer", f"dataset.source={PLAZA}", f"dataset.target={CAMPUS}")
JOINT = ("dataset=joint", f"dataset.members=[{PLAZA},{CAMPUS}]")


@pytest.mark.parametrize(
    ("overrides", "facts"),
    [
        (("dataset.size=tiny",), {"tests_by_training_cameras"}),
        (("dataset.size=tiny", "sampler=person"), {"draws_by_person", "tests_by_training_cameras"}),
        (TRANSFER, {"two_domains"}),
        (JOINT, set()),
        ((*JOINT, "dataset.switching=true", "sampler=person"), {"draws_by_member", "draws_by_person"}),
    ],
)
def test_data_say_how_their_batches_are_drawn(compose, overrides, facts):
    data = make_data(compose(*overrides, "loader.batch_size=24"))
    assert isinstance(data, TrainingData)
    names = ("two_domains", "draws_by_member", "draws_by_person", "tests_by_training_cameras")
    assert {name for name in names if getattr(data, name)} == facts
    assert (data.batch_size, data.validation) == (48 if data.two_domains else 24, None)  # 24 of each domain


def test_other_objects_do_not_answer():
    assert not isinstance(object(), TrainingData)
