"""Scores by group of queries, with intervals that other persons might have given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from reid_lit.cards.attributes import Attributes
from reid_lit.pages.rankings_file import Ranking, read_rankings

LEVEL = 0.95
NO_VALUE = "(not said)"
"""The group of the queries of which nothing is known."""
_SEED = 0
_SPLIT = re.compile(r"(, |_)split_\d+$")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which groups a card shows.

    Attributes:
        attributes: Tables with columns that make groups.
        of: The test whose file names and numbers of persons they have; those of others are known by their paths alone.
        least_persons: A group of fewer persons is named without scores.
        resamples: How often persons are drawn for the intervals.
    """

    attributes: Sequence[Attributes] = ()
    of: str = ""
    least_persons: int = 10
    resamples: int = 1000


@dataclass(kw_only=True)
class Queries:
    """The queries of one test, all of its splits together.

    Attributes:
        path: Of each image.
        person: Its person.
        camera: Its camera, from 1.
        first: The rank of its first true match, from 1; None without one.
        ap: Its average precision; None without a match.
    """

    path: list[str] = field(default_factory=list)
    person: list[int] = field(default_factory=list)
    camera: list[int] = field(default_factory=list)
    first: list[int | None] = field(default_factory=list)
    ap: list[float | None] = field(default_factory=list)

    def add(self, ranking: Ranking) -> None:
        """Add the queries of ``rankings.json``."""
        for name in ("path", "person", "camera"):
            getattr(self, name).extend(ranking["query"][name])
        self.first += ranking["first"]
        self.ap += ranking["ap"]


def interval(
    values: Float[np.ndarray, " queries"], persons: Shaped[np.ndarray, " queries"], *, resamples: int
) -> tuple[float, float, float]:
    """A mean over queries, and the middle 95 % of what it is when persons are drawn again with replacement.

    Several queries show one person and are not independent: a person's queries are drawn together.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3; over clusters as in
        Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8.

    Args:
        values: What the score is the mean of.
        persons: The person of each query.
        resamples: How often persons are drawn.
    """
    _, code = np.unique(persons, return_inverse=True)
    numbers = np.bincount(code)
    sums = np.bincount(code, weights=values)
    weight = draws(len(numbers), resamples)
    low, high = np.quantile((weight @ sums) / (weight @ numbers), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return float(values.mean()), low, high


def draws(persons: int, resamples: int) -> Int[np.ndarray, "resamples persons"]:
    """How often each person is drawn, in each of some draws with replacement; the same ones at every call."""
    return np.random.default_rng(_SEED).multinomial(persons, np.full(persons, 1 / persons), size=resamples)


def scores(queries: Queries, chosen: Sequence[int], *, resamples: int, least_persons: int) -> dict[str, Any]:
    """Number, persons, rank-1 and mAP of some queries.

    Args:
        queries: Those of a test.
        chosen: Their places.
        resamples: See :func:`interval`.
        least_persons: Of fewer persons no score is given, and ``reason`` says why.
    """
    counted = [place for place in chosen if queries.first[place] is not None]
    persons = np.array([queries.person[place] for place in counted])
    found: dict[str, Any] = {"queries": len(counted), "persons": len(np.unique(persons))}
    found["without_match"] = len(chosen) - len(counted)
    if found["persons"] < max(least_persons, 2):
        return found | {"reason": f"no scores of fewer than {max(least_persons, 2)} persons"}
    measured = {
        "rank1": np.array([float(queries.first[place] == 1) for place in counted]),
        "mAP": np.array([queries.ap[place] for place in counted], dtype=float),
    }
    for name, values in measured.items():
        mean, low, high = interval(values, persons, resamples=resamples)
        found[name] = {"value": mean, "low": low, "high": high}
    return found


@dataclass(frozen=True, kw_only=True)
class RankedTest:
    """A test whose queries are known one by one.

    Attributes:
        folder: Where it stands in the run's folder; ``.``: the run's own.
        dataset: Its name.
        queries: Its queries.
    """

    folder: str
    dataset: str
    queries: Queries


def read_ranked_tests(run: Path, places: Sequence[Path]) -> list[RankedTest]:
    """The tests of a run and of its evaluations, as far as ``rankings.json`` was kept; splits are put together.

    Where one image of each gallery person is drawn (CUHK03's classic protocol), the lists are those of one draw alone:
    they are left out.

    Args:
        run: The folder of the run.
        places: Folders with tests: the run's own, and those of its evaluations.

    Raises:
        ValueError: a file was written by another version.
    """
    found: dict[tuple[str, str], Queries] = {}
    for place in places:
        for ranking in read_rankings(place):
            if ranking["stamp"].get("gallery", "all images") == "all images":
                name = _SPLIT.sub("", _SPLIT.sub("", ranking["dataset"]))
                found.setdefault((place.relative_to(run).as_posix(), name), Queries()).add(ranking)
    return [RankedTest(folder=folder, dataset=name, queries=queries) for (folder, name), queries in found.items()]


def groups_of(tests: Sequence[RankedTest], wanted: Wanted) -> list[dict[str, Any]]:
    """For each test: the scores of all queries, and of each group by camera and by the columns of the tables.

    Of an evaluation, only those are shown whose queries a table knows.
    """
    found = []
    for test in tests:
        columns = _columns(test, wanted)
        if test.folder != "." and not columns:
            continue
        columns = {"camera": [str(camera) for camera in test.queries.camera]} | columns
        parted = {
            name: _by_value(test.queries, values, wanted) for name, values in columns.items() if len(set(values)) > 1
        }
        everyone = _scores(test.queries, range(len(test.queries.path)), wanted)
        found.append({"folder": test.folder, "dataset": test.dataset, "all": everyone, "columns": parted})
    return found


def _columns(test: RankedTest, wanted: Wanted) -> dict[str, list[str]]:
    """The values of the queries in each column of the tables that know some of them."""
    found: dict[str, list[str]] = {}
    for table in wanted.attributes:
        rows = _rows(test, table, wanted.of)
        if any(row is not None for row in rows):
            found |= {name: table.values(name, rows) for name in table.columns}
    return found


def _rows(test: RankedTest, table: Attributes, of: str) -> list[int | None]:
    numbered = test.dataset == of or test.dataset.startswith(f"{of}_")
    return table.rows(test.queries.path, test.queries.person, numbered=numbered)


def _by_value(queries: Queries, values: Sequence[str], wanted: Wanted) -> list[dict[str, Any]]:
    places: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value or NO_VALUE, []).append(place)
    return [{"value": value} | _scores(queries, places[value], wanted) for value in sorted(places, key=_order)]


def _scores(queries: Queries, chosen: Sequence[int], wanted: Wanted) -> dict[str, Any]:
    return scores(queries, chosen, resamples=wanted.resamples, least_persons=wanted.least_persons)


def _order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, then words, then what is not said."""
    number = float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else float("inf")
    return value == NO_VALUE, number, value


def strangers(tests: Sequence[RankedTest], wanted: Wanted) -> list[Attributes]:
    """The tables that know no query of any test."""
    return [
        table
        for table in wanted.attributes
        if all(row is None for test in tests for row in _rows(test, table, wanted.of))
    ]
