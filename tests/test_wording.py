import pytest

from reid_lit.wording import counted


@pytest.mark.parametrize(
    ("number", "words", "grouped", "expected"),
    [
        (1, ("image",), False, "1 image"),
        (0, ("image",), False, "0 images"),
        (12936, ("image",), False, "12936 images"),
        (12936, ("image",), True, "12,936 images"),
        (1, ("query shows", "queries show"), False, "1 query shows"),
        (2, ("query shows", "queries show"), False, "2 queries show"),
    ],
)
def test_a_single_thing_has_no_plural(number, words, grouped, expected):
    assert counted(number, *words, grouped=grouped) == expected
