"""The command line of a table: which of it, how large, with what beside."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reid_lit.tables.spec import LAPTOP, PAPER, TableError, dimensions, read_table, rows_of, status
from reid_lit.wording import unknown

_WORDS = ("rows", "size", "plan", "table_dir")


@dataclass(frozen=True, slots=True)
class Ask:
    """What the command line of a table asks for.

    Attributes:
        table: ``<paper>/<table>``.
        size: ``paper`` or ``laptop``.
        plan: Whether only the plan is wanted.
        rows: Names or numbers (from 1) of rows; empty: all.
        labels: Of dimensions of ``across``, the labels that are wanted; the others are taken whole.
        overrides: Handed to every job, after the row's own.
        table_dir: Where the tables' results lie.
    """

    table: str
    size: str = PAPER
    plan: bool = False
    rows: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    table_dir: str = "tables"


def for_hydra(arguments: list[str]) -> list[str]:
    """The command line of a table as Hydra can compose it: the words that only the table knows go into ``asked``.

    Any other command line stays as it is.

    Raises:
        TableError: there is no such table.
    """
    if not any(argument.partition("=")[0].lstrip("+") == "table" for argument in arguments):
        return arguments
    own = [a for a in arguments if not a.startswith(("-", "hydra.", "hydra/"))]
    ask = asked(own)
    spec = read_table(ask.table)
    chosen_rows(spec, ask.rows, ask.size)
    chosen_labels(spec, ask)
    hydras = [a for a in arguments if a not in own and a not in ("-m", "--multirun")]
    encoded = f"x{json.dumps(own).encode().hex()}"  # a word that Hydra's grammar takes as it is
    return [*hydras, f"+table={ask.table}", f"+asked={encoded}"]


def from_hydra(encoded: str) -> Ask:
    """What :func:`for_hydra` put into ``asked``."""
    return asked(json.loads(bytes.fromhex(encoded[1:])))


def asked(arguments: Sequence[str]) -> Ask:
    """What the words of a table's command line ask for.

    Raises:
        TableError: a word is not understood.
    """
    pairs = [(argument, *argument.partition("=")[::2]) for argument in arguments]
    table = next(value for _, key, value in pairs if key.lstrip("+") == "table")
    known = dimensions(read_table(table), LAPTOP if "size=laptop" in arguments else PAPER)
    words = {key: value for _, key, value in pairs if key in _WORDS}
    if words.get("plan", "false") not in ("true", "false"):
        raise TableError(f"plan={words['plan']} is unknown; choose true or false")
    rows = words.get("rows", "")
    names = {str(row["name"]).lower() for row in read_table(table)["rows"]}
    return Ask(
        table=table,
        size=words.get("size", PAPER),
        plan=words.get("plan") == "true",
        rows=(rows,) if rows.lower() in names else tuple(_listed(rows)),
        labels={key: tuple(_listed(value)) for _, key, value in pairs if key in known},
        overrides=tuple(a for a, key, _ in pairs if key not in (*_WORDS, *known) and key.lstrip("+") != "table"),
        table_dir=words.get("table_dir", "tables"),
    )


def _listed(value: str) -> list[str]:
    return [word.strip() for word in value.strip("[]").split(",") if word.strip()]


def chosen_rows(spec: Mapping[str, Any], asked: Sequence[str], size: str = PAPER) -> list[int]:
    """The places of the rows that are to be run.

    Raises:
        TableError: there is no such row, or it is one that cannot be run.
    """
    rows = rows_of(spec, size)
    if not asked:
        return [place for place, row in enumerate(rows) if status(row) == "run"]
    names = {str(row["name"]).lower(): place for place, row in enumerate(rows)}
    places = []
    for word in asked:
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


def chosen_labels(spec: Mapping[str, Any], ask: Ask) -> dict[str, list[str]]:
    """The labels of each dimension that are to be run; any whole number is a seed.

    Raises:
        TableError: there is no such label.
    """
    known = dimensions(spec, ask.size)
    for name, labels in ask.labels.items():
        for label in labels:
            right = label.isdecimal() if name == "seed" else label in known[name]
            if not right:
                cure = "" if ask.size == LAPTOP else "; size=laptop runs on the synthetic data set"
                raise TableError(unknown(name, label, known[name]) + cure)
    return {name: list(ask.labels.get(name, labels)) for name, labels in known.items()}
