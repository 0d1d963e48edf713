"""A table of a paper, ``experiments/table/<paper>/<table>.yaml``: which rows, across what, by which overrides."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from omegaconf import OmegaConf

from reid_lit.paths import packaged
from reid_lit.runs import key_of

PAPER, LAPTOP = "paper", "laptop"
_WORDS = ("rows", "size", "plan", "table_dir")


class TableError(ValueError):
    """What is asked of a table cannot be done."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A number of a table: a row, for a label of each dimension.

    Attributes:
        row: The row's place, from 0.
        label: The labels of all dimensions but the seed, joined by ``/``.
        train: Overrides of the training, without the seed.
        evaluate: Overrides of the evaluation alone.
    """

    row: int
    label: str
    train: tuple[str, ...]
    evaluate: tuple[str, ...]


def table_names() -> list[str]:
    """All tables, as ``+table=`` takes them."""
    root = packaged("experiments") / "table"
    return sorted(file.relative_to(root).with_suffix("").as_posix() for file in root.glob("*/*.yaml"))


def read_table(name: str) -> dict[str, Any]:
    """What the file of a table says.

    Raises:
        TableError: there is no such table.
    """
    file = packaged("experiments") / "table" / f"{name}.yaml"
    if not file.is_file():
        raise TableError(_unknown("table", name, table_names()))
    return read_file(file)


def read_file(file: Path) -> dict[str, Any]:
    """The ``table:`` of a YAML file, interpolations left as they stand."""
    content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    spec = content["table"]
    seeds = spec["across"].get("seed", [0])
    return spec | {"across": spec["across"] | {"seed": seeds}}


def dimensions(spec: Mapping[str, Any], size: str = PAPER) -> dict[str, list[str]]:
    """The labels of each dimension that a table runs across; seeds last."""
    across = {**_variant(spec, size)["across"]}
    seeds = across.pop("seed")
    return {name: list(values) for name, values in across.items()} | {"seed": [str(seed) for seed in seeds]}


def rows_of(spec: Mapping[str, Any], size: str = PAPER) -> list[dict[str, Any]]:
    """The rows; on a laptop with what they say for it."""
    rows = [dict(row) for row in spec["rows"]]
    return [row | row.get("laptop", {}) for row in rows] if size == LAPTOP else rows


def status(row: Mapping[str, Any]) -> str:
    """``run``, ``quoted``, ``waiting`` or ``same_as``."""
    return next((word for word in ("quoted", "waiting", "same_as") if row.get(word)), "run")


def cells(spec: Mapping[str, Any], size: str = PAPER, overrides: Sequence[str] = ()) -> list[Cell]:
    """Every number of the table that comes from runs.

    Args:
        spec: What the file says.
        size: ``paper`` or ``laptop``.
        overrides: The user's own, after all others.
    """
    variant = _variant(spec, size)
    across = {name: values for name, values in variant["across"].items() if name != "seed"}
    found = []
    for place, row in enumerate(rows_of(spec, size)):
        for labels in itertools.product(*across.values()) if status(row) == "run" else ():
            if _left_out(row, labels, across):
                continue
            values = [across[name][label] or {} for name, label in zip(across, labels, strict=True)]
            train, evaluate = (
                [override for part in (*values, row) for override in part.get(key, ())] for key in ("set", "evaluate")
            )
            dropped = set(variant.get("drop", ())) if size == LAPTOP else set()
            train, evaluate = (kept(part, dropped) for part in (train, evaluate))
            last = variant.get("set", ()) if size == LAPTOP else ()
            found.append(
                Cell(
                    row=place,
                    label="/".join(labels),
                    train=merged([*variant["base"], *train, *last, *overrides]),
                    evaluate=merged([*variant.get("base_evaluate", ()), *evaluate]),
                )
            )
    return found


def _left_out(row: Mapping[str, Any], labels: Sequence[str], across: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether ``only`` keeps the row from these labels; labels that the table has not (on a laptop) keep nothing."""
    known = {label for values in across.values() for label in values}
    only = set(row.get("only", ())) & known
    return bool(only) and not only & set(labels)


def _variant(spec: Mapping[str, Any], size: str) -> dict[str, Any]:
    """The table's own keys, or those of its laptop in their place.

    Raises:
        TableError: there is no such size, or no laptop variant.
    """
    if size == PAPER:
        return dict(spec)
    if size != LAPTOP:
        raise TableError(f"size={size}: there are paper and laptop")
    if "laptop" not in spec:
        raise TableError(f"{spec['title']}: nothing of this table is trained, so there is no size=laptop")
    laptop = dict(spec["laptop"])
    across = {"seed": spec["across"]["seed"]} | laptop.get("across", spec["across"])
    return {"base": spec["base"], "base_evaluate": spec.get("base_evaluate", ())} | laptop | {"across": across}


def merged(overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides, each key once: the last wins, as Hydra would refuse two options of a group.

    >>> merged(["loss=id", "seed=1", "loss=id_circle"])
    ('seed=1', 'loss=id_circle')
    """
    last = {key_of(override): place for place, override in enumerate(overrides)}
    return tuple(override for place, override in enumerate(overrides) if last[key_of(override)] == place)


def kept(overrides: Sequence[str], dropped: set[str]) -> list[str]:
    """Overrides without those of the keys ``dropped``."""
    return [override for override in overrides if key_of(override) not in dropped]


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
            raise TableError(_unknown("row", word, [f"{n} {row['name']}" for n, row in enumerate(rows, 1)]))
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
                raise TableError(_unknown(name, label, known[name]) + cure)
    return {name: list(ask.labels.get(name, labels)) for name, labels in known.items()}


def _unknown(kind: str, word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=3, cutoff=0.4)
    names = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    return f"no {kind} {word!r}; {names}"


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
        raise TableError(f"plan={words['plan']}: there are true and false")
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
    encoded = quote(json.dumps(own), safe="")  # a word that Hydra's grammar takes as it is
    return [*hydras, f"+table={ask.table}", f"+asked={encoded}"]


def from_hydra(encoded: str) -> Ask:
    """What :func:`for_hydra` put into ``asked``."""
    return asked(json.loads(unquote(encoded)))
