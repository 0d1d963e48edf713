"""Names of the tests in files of embeddings: of each split of its own, and of files with the same name apart."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reid_lit.testing.embeddings_file import Embeddings

ROUND = "round"
"""The split whose training embedded a test, where a run trained several: the key in what a file says of its test."""


def numbers_apart(tests: Sequence[Mapping[str, Any]]) -> list[int]:
    """The number of each test among those of its name: 1, then 2 for one that is there already, as of another run.

    So no two tests are taken for splits of one. The splits of a test have the same number, and so have tests that are
    averaged. A number is left out where it would make the name of another test.

    >>> csv, other = ({"row": row, "average": "", "split_id": None} for row in ("csv", "csv_2"))
    >>> numbers_apart([csv, other, csv])
    [1, 1, 3]

    Args:
        tests: What each file says of its test: ``row``, ``average``, ``split_id`` and perhaps ``round``.
    """
    taken = {name for named in tests for name in _names(named)}
    seen: Counter[tuple[Any, ...]] = Counter()
    numbers = []
    for named in tests:
        key = (named["row"], named["split_id"], named.get(ROUND))
        free = (
            number
            for number in itertools.count(1)
            if number == 1 or not taken & {_numbered(name, number) for name in _names(named)}
        )
        numbers.append(next(itertools.islice(free, seen[key], None)))
        seen[key] += 1
    return numbers


def numbered(content: Embeddings, number: int) -> Embeddings:
    """The content of a file under the names of the ``number``-th test of its name."""
    named = {name: _numbered(content.test[name], number) for name in ("row", "average")}
    return replace(content, name=_numbered(content.name, number), test={**content.test, **named})


def _names(named: Mapping[str, Any]) -> set[str]:
    """The names of a test's rows of results: its own, and that of the average, if it has one."""
    return {named["row"], named["average"]} - {""}


def _numbered(name: str, number: int) -> str:
    return name if number == 1 or not name else f"{name}_{number}"
