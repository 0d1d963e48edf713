"""Keys that take a list: an entry alone is one, and never its letters."""

import pytest
from omegaconf import OmegaConf

from reid_lit.errors import InputError
from reid_lit.run.listed import listed, numbers, texts


def test_an_entry_alone_is_a_list_of_it():
    config = OmegaConf.create(
        {"a": "/data/extra", "b": 0.01, "c": None, "d": ["x", 500], "e": {"dataset": "ward"}, "f": 7}
    )
    assert texts(config, "a", such="x") == ["/data/extra"]
    assert numbers(config, "b", such="1") == [0.01]
    assert texts(config, "c", such="x") == numbers(config, "c", such="1") == []
    assert texts(config, "d", such="x") == ["x", "500"]
    assert listed(config, "e", such="market1501") == [{"dataset": "ward"}]
    assert texts(config, "f", such="x") == ["7"]


@pytest.mark.parametrize(
    ("value", "read", "said"),
    [
        ({"a": 1}, texts, r"key=\{a: 1\}: give a list, such as key=\[x\]"),
        (True, texts, "key=true: give a list"),
        ([["a"]], texts, r"key=\[\[a\]\]: give a list"),
        ([None], listed, r"key=\[null\]: give a list"),
        ("high", numbers, "key=high: give a list"),
        ([0.1, "high"], numbers, r"key=\[0.1, high\]: give a list"),
    ],
)
def test_what_is_no_such_entry_is_refused(value, read, said):
    with pytest.raises(InputError, match=said):
        read(OmegaConf.create({"key": value}), "key", such="x")
