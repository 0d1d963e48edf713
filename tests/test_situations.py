"""Of the 42 situations that ``scripts/try_situations.py`` tries, those that take seconds."""

import pytest
from tests.script_modules import script

with script("try_situations") as module:
    ROWS = module.rows_of()
    FAST = [row for row in ROWS if row.get("fast")]


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    made = module.Trial(tmp_path_factory.mktemp("situations"), module.words_of())
    yield made
    made.close()


@pytest.fixture(scope="module")
def trained(trial):
    assert not module.tried(ROWS[0], trial)


def test_there_is_a_row_for_each_situation():
    assert [row["row"] for row in ROWS] == list(range(43))
    assert all(row["about"] and row["steps"] for row in ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("row", FAST, ids=lambda row: f"{row['row']} {row['about']}")
def test_a_situation(trial, row, request):
    if row.get("trained"):
        request.getfixturevalue("trained")
    assert not module.tried(row, trial)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("Traceback (most recent call last):\nKeyError: 3", "it says 'Traceback"),
        ("trainer: full_key: trainer", "it says 'full_key:'"),
        ("well", "it does not say 'trained'"),
    ],
)
def test_what_is_not_as_it_should_be_is_told(said, complaint):
    found = module._complaints(module.Done(0, said), {"says": "trained"})
    assert any(one.startswith(complaint) for one in found)


def test_another_exit_code_is_told():
    assert module._complaints(module.Done(1, ""), {}) == ["exit code 1"]
    assert not module._complaints(module.Done(1, ""), {"code": [0, 1]})
