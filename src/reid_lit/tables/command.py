"""The command line of a table: which table and size, which rows and labels, which overrides for all of its jobs."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_lit.overrides import assignment
from reid_lit.run.grammar import check_words
from reid_lit.run.near_names import default_of
from reid_lit.tables.spec import (
    LAPTOP,
    PAPER,
    TableError,
    check_size,
    dimensions,
    own_keys,
    read_table,
    rows_of,
    status,
    suffix,
)
from reid_lit.wording import unknown

_WORDS = ("rows", "size", "plan", "table_dir")
_OF_DATA = ("dataset", "target", "transfer")
"""What tables call the dimension of their data; each has one of them."""


@dataclass(frozen=True, slots=True)
class TableRequest:
    """What the command line of a table asks for.

    Attributes:
        table: ``<paper>/<table>``.
        size: ``paper``, ``real`` or ``laptop``.
        plan_only: Whether nothing is run.
        rows: Names or numbers (from 1) of rows; empty: all.
        labels: The labels that are run, of dimensions of ``across``; all labels of other dimensions are run.
        overrides: Passed to every job, after the row's own.
        table_dir: Where the tables' results are.
        trainings_dir: Where the trainings are; empty: ``trainings`` in ``table_dir``.
    """

    table: str
    size: str = PAPER
    plan_only: bool = False
    rows: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    table_dir: str = "tables"
    trainings_dir: str = ""

    @property
    def folder(self) -> Path:
        """Where the plan and the report of the table are."""
        return Path(self.table_dir).resolve() / (self.table + suffix(self.size))

    @property
    def trainings(self) -> Path:
        """Where the trainings are."""
        return Path(self.trainings_dir or Path(self.table_dir, "trainings")).resolve()


def reword_table(arguments: list[str]) -> list[str]:
    """The command line of a table as Hydra can compose it: the table's own words become the list ``table_words``.

    Any other command line stays as it is.

    Raises:
        TableError: there is no such table, row or label.
    """
    if not any(argument.partition("=")[0].lstrip("+") == "table" for argument in arguments):
        return arguments
    words = [a for a in arguments if not a.startswith(("-", "hydra.", "hydra/"))]
    request = read_request(words)
    spec = read_table(request.table)
    chosen_rows(spec, request.rows, request.size)
    chosen_labels(spec, request)
    _check_names(dimensions(spec, request.size), request.overrides)
    check_words(request.overrides, default=functools.partial(default_of, arguments=[], config_name="train"))
    hydras = [a for a in arguments if a not in words and a not in ("-m", "--multirun")]
    return [*hydras, f"+table={request.table}", assignment("+table_words", words)]


def read_request(arguments: Sequence[str]) -> TableRequest:
    """What the words of a table's command line ask for.

    Raises:
        TableError: a word is not understood.
    """
    pairs = [(argument, *argument.partition("=")[::2]) for argument in arguments]
    table = next(value for _, key, value in pairs if key.lstrip("+") == "table")
    spec = read_table(table)
    words = {key: value for _, key, value in pairs if key in _WORDS}
    size = words.get("size", PAPER)
    check_size(spec, size)
    known = dimensions(spec, size)
    if words.get("plan", "false") not in ("true", "false"):
        raise TableError(f"plan={words['plan']} is unknown; choose true or false")
    rows = words.get("rows", "")
    names = {str(row["name"]).lower() for row in rows_of(spec, size)}
    return TableRequest(
        table=table,
        size=size,
        plan_only=words.get("plan") == "true",
        rows=(rows,) if rows.lower() in names else tuple(_listed(rows)),
        labels={key: tuple(_listed(value)) for _, key, value in pairs if key in known},
        overrides=tuple(a for a, key, _ in pairs if key not in (*_WORDS, *known) and key.lstrip("+") != "table"),
        table_dir=words.get("table_dir", "tables"),
    )


def _listed(value: str) -> list[str]:
    return [word.strip() for word in value.strip("[]").split(",") if word.strip()]


def chosen_rows(spec: Mapping[str, Any], words: Sequence[str], size: str = PAPER) -> list[int]:
    """The places of the rows that are to be run: those named, or all that the size runs unless told otherwise.

    Raises:
        TableError: there is no such row, or it is one that cannot be run.
    """
    rows = rows_of(spec, size)
    if not words:
        own = own_keys(spec, size).get("run", [row["name"] for row in rows])
        return [place for place, row in enumerate(rows) if status(row) == "run" and row["name"] in own]
    names = {str(row["name"]).lower(): place for place, row in enumerate(rows)}
    places = []
    for word in words:
        number = int(word) - 1 if word.isdecimal() and word not in names else names.get(word.lower(), -1)
        if not 0 <= number < len(rows):
            raise TableError(unknown("row", word, [f"{n} {row['name']}" for n, row in enumerate(rows, 1)]))
        _check_runs(rows[number])
        places.append(number)
    return places


def _check_runs(row: Mapping[str, Any]) -> None:
    reasons = {
        "quoted": "the paper quotes it from another one; it is printed and never run",
        "waiting": f"it waits: {row.get('waiting')}",
        "same_as": f"it is the same as {row.get('same_as')}; run that",
    }
    if (kind := status(row)) != "run":
        raise TableError(f"rows={row['name']}: {reasons[kind]}")


def chosen_labels(spec: Mapping[str, Any], request: TableRequest) -> dict[str, list[str]]:
    """The labels of each dimension that are to be run; any whole number is a seed.

    Raises:
        TableError: there is no such label.
    """
    known = dimensions(spec, request.size)
    for name, labels in request.labels.items():
        for label in labels:
            right = label.isdecimal() if name == "seed" else label in known[name]
            if not right:
                cure = "" if request.size == LAPTOP else "; size=laptop runs on the synthetic data set"
                raise TableError(unknown(name, label, known[name]) + cure)
    return {name: list(request.labels.get(name, labels)) for name, labels in known.items()}


def _check_names(known: Mapping[str, Sequence[str]], overrides: Sequence[str]) -> None:
    """Raise TableError where a label is given under the name that other tables have for it."""
    given = [word.partition("=")[::2] for word in overrides]
    for name in set(known) & set(_OF_DATA):
        for key, value in given:
            if key in _OF_DATA and set(_listed(value)) & set(known[name]):
                raise TableError(f"{key}={value}: this table calls that {name}; give {name}={value}")
