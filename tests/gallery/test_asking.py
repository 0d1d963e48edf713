"""Queries in steps: each gets what it would get alone, and what several need at once is done once."""

import numpy as np
import pytest
import torch

from reid_lit.gallery.asking import Embed, LookedUp, LookUp, answer_of, answered
from reid_lit.gallery.rows import Where


def query(name, log):
    try:
        embedding = yield Embed([name])
        found = yield LookUp(embedding.numpy(), 1, Where())
    except ValueError as error:
        log.append(f"{name}: {error}")
        raise
    return f"{name} {found.nearest[0][0][0]}"


def embed(steps):
    calls.append([step.images[0] for step in steps])
    return [
        ValueError("no image") if step.images == ["bad"] else torch.full((1, 2), float(len(step.images[0])))
        for step in steps
    ]


def look_up(steps):
    calls.append(len(steps))
    return [LookedUp([([int(step.vectors[0, 0])], [1.0])], {}) for step in steps]


calls = []


def test_what_several_need_is_done_once_and_one_that_fails_fails_alone():
    calls.clear()
    log = []
    answers = answered([query(name, log) for name in ("a", "bad", "ccc")], embed, look_up)
    assert answers[0] == "a 1"
    assert answers[2] == "ccc 3"
    assert isinstance(answers[1], ValueError)
    assert log == ["bad: no image"]  # it has seen its own error, as a ``with`` around its work would
    assert calls == [["a", "bad", "ccc"], 2]
    assert answer_of(query("dd", log), embed, look_up) == "dd 2"
    with pytest.raises(ValueError, match="no image"):
        answer_of(query("bad", log), embed, look_up)


def test_work_that_fails_fails_for_all_that_need_it():
    log = []

    def broken(_):
        raise ValueError("no memory")

    answers = answered([query(name, log) for name in "ab"], embed, broken)
    assert [str(answer) for answer in answers] == ["no memory"] * 2
    assert log == ["a: no memory", "b: no memory"]
    assert answered([], embed, look_up) == []


def test_a_query_that_needs_nothing_is_answered():
    def known():
        return "known"
        yield

    vectors = np.zeros((1, 2), np.float32)

    def only_looked_up():
        found = yield LookUp(vectors, 1, Where())
        return found.nearest

    assert answered([known(), only_looked_up()], embed, look_up) == ["known", [([0], [1.0])]]
