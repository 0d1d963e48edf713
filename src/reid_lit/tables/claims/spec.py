"""What a paper claims, ``experiments/claims/<paper>.yaml``: comparisons between rows of the tables, as data.

A file has ``paper``, ``source`` and ``claims``. A claim has

- ``id``, ``place`` (where in the paper) and ``says`` (in words);
- ``kind``: ``order`` (left minus right is above 0, or above ``beyond``), ``equivalent`` (left minus right is within
  ± ``margin``) or ``falls`` (a score falls from each row of ``series`` to the next);
- ``left`` and ``right``, or ``series``. A side is a row, ``<paper>/<table>/<row>``; ``{row, part}``, a part of what a
  row's run leaves (``f_t``, ``f_i``); or ``{gain: row, over: row}``, the difference of two rows. Where ``right`` is a
  list, left is compared with each;
- ``metrics``: the scores that it is about, keys of the catalogue, or measures of :data:`MEASURES`;
- ``published``: for each label of the tables' size paper the printed difference of each score, in points (hundredths of
  a score; R and measures as they are), a list where there are several comparisons, with null where the paper has no
  number; ``{}`` where the paper prints none;
- ``only``: the labels that it is about, where these are not all that its rows have; a ``note``;
- a size (``real``, ``laptop``) with other sides for that size.

What a claim is measured on follows from the tables: on each label that all of its rows have in a size; where they share
none and each has one, on these.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from omegaconf import OmegaConf

from reid_lit.errors import InputError
from reid_lit.evaluation import catalogue
from reid_lit.paths import packaged
from reid_lit.tables.spec import PAPER, SIZES, SMALL, read_table, rows_of, table_names
from reid_lit.wording import near, unknown

MEASURES = {
    "norm_variation": "standard deviation / mean of norms",
    "triplet_rise": "rise of the triplet loss",
    "epochs_to_mAP": "epochs to an mAP",
}
"""What a claim may be about beside scores, with the words for it; see :mod:`reid_lit.tables.claims.measures`."""

KINDS = ("order", "equivalent", "falls")
_SIDES = ("left", "right", "series")
_KEYS = {
    "claims": ("paper", "source", "claims"),
    "claim": (
        *("id", "place", "says", "kind", "margin", "beyond", *_SIDES),
        *("metrics", "published", "only", "note", *SMALL),
    ),
    "size of a claim": _SIDES,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        table: ``<paper>/<table>``.
        name: The row's name there.
        part: ``f_t`` or ``f_i``, for a measure that is of a part; empty: of the whole run.
    """

    table: str
    name: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.table}/{self.name}" + (f" ({self.part})" if self.part else "")


Terms = tuple[tuple[int, Row], ...]
"""A comparison: rows with +1 or −1; the sum of their scores is what is claimed to be above 0, or near it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim.

    Attributes:
        id: Its name.
        paper: Whose it is.
        source: The paper, as its tables cite it.
        place: Where it stands there.
        says: What it says.
        kind: ``order``, ``equivalent`` or ``falls``.
        comparisons: By size, what is compared; several where the claim is about each of them.
        metrics: The scores, or measures, that it is about.
        published: By label and score, the printed difference of each comparison, in points; None: not printed.
        bound: What an order is to be above, in points; 0 but for claims of at least so much.
        margin: How far apart is still equivalent, in points; 0 for other kinds.
        only: The labels of the paper that it is about; empty: all.
        note: What else is to be known.
    """

    id: str
    paper: str
    source: str
    place: str
    says: str
    kind: Literal["order", "equivalent", "falls"]
    comparisons: Mapping[str, tuple[Terms, ...]]
    metrics: tuple[str, ...]
    published: Mapping[str, Mapping[str, tuple[float | None, ...]]]
    bound: float = 0.0
    margin: float = 0.0
    only: tuple[str, ...] = field(default=())
    note: str = ""

    def rows(self, size: str) -> list[Row]:
        """The rows that it compares in a size, each once."""
        return list(dict.fromkeys(row for terms in self.comparisons[size] for _, row in terms))


def papers() -> list[str]:
    """The papers whose claims there are."""
    return sorted(file.stem for file in (packaged("experiments") / "claims").glob("*.yaml"))


def read_claims(paper: str) -> list[Claim]:
    """The claims of a paper, checked.

    Raises:
        InputError: there is no such paper, or its file says what cannot be: a key that nothing reads, a row that no
            table has, a score that no run has.
    """
    if paper not in papers():
        raise InputError(f"paper={paper}: {unknown('paper with claims', paper, papers())}")
    return read_file(packaged("experiments") / "claims" / f"{paper}.yaml")


def read_file(file: Path) -> list[Claim]:
    """The claims of a file, checked; see :func:`read_claims`."""
    content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    _check_keys(str(file), "claims", content)
    claims = []
    for entry in content["claims"]:
        where = f"{file}: {entry.get('id', 'a claim without an id')}"
        _check_keys(where, "claim", entry)
        claims.append(_Reader(where, entry).claim(content["paper"], content["source"]))
    names = [claim.id for claim in claims]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{file}: id={name}: two claims have it; give each its own")
    return claims


def _check_keys(where: str, kind: str, part: Mapping[str, Any]) -> None:
    for key in part:
        if key not in _KEYS[kind]:
            raise InputError(f"{where}: {unknown(f'key of a {kind}', str(key), _KEYS[kind])}")


class _Reader:
    """Reads one claim; ``where`` begins its errors."""

    def __init__(self, where: str, entry: Mapping[str, Any]) -> None:
        self.where, self.entry = where, entry

    def claim(self, paper: str, source: str) -> Claim:
        entry = self.entry
        kind = self._one_of("kind", KINDS)
        comparisons = {size: self._comparisons(entry | entry.get(size, {})) for size in SIZES}
        for size in SMALL:
            _check_keys(self.where, "size of a claim", entry.get(size, {}))
        metrics = tuple(entry.get("metrics", ()))
        self._check_metrics(metrics)
        self._check_margin(kind)
        claim = Claim(
            id=self._text("id"), paper=paper, source=source, place=self._text("place"), says=self._text("says"),
            kind=kind,  # type: ignore[arg-type]  # one of KINDS
            comparisons=comparisons, metrics=metrics, published=self._published(len(comparisons[PAPER])),
            bound=float(entry.get("beyond", 0)), margin=float(entry.get("margin", 0)),
            only=tuple(entry.get("only", ())), note=entry.get("note", ""),
        )  # fmt: skip
        self._check_rows(claim)
        return claim

    def _stop(self, words: str) -> NoReturn:
        raise InputError(f"{self.where}: {words}")

    def _text(self, key: str) -> str:
        if not self.entry.get(key):
            self._stop(f"{key} is missing; give it")
        return str(self.entry[key])

    def _one_of(self, key: str, known: Sequence[str]) -> str:
        value = self._text(key)
        if value not in known:
            self._stop(f"{key}={value}: {near(value, known)}")
        return value

    def _comparisons(self, entry: Mapping[str, Any]) -> tuple[Terms, ...]:
        if ("series" in entry) != (entry["kind"] == "falls"):
            self._stop(f"kind={entry['kind']}: a claim that falls has series=, any other has left= and right=")
        if "series" in entry:
            rows = [self._row(each) for each in entry["series"]]
            return tuple(((1, one), (-1, other)) for one, other in itertools.pairwise(rows))
        if "left" not in entry or "right" not in entry:
            self._stop("left or right is missing; give both")
        right = entry["right"] if isinstance(entry["right"], list) else [entry["right"]]
        left = self._side(entry["left"])
        return tuple((*left, *((-sign, row) for sign, row in self._side(each))) for each in right)

    def _side(self, side: str | Mapping[str, str]) -> Terms:
        if isinstance(side, Mapping) and set(side) == {"gain", "over"}:
            return ((1, self._row(side["gain"])), (-1, self._row(side["over"])))
        return ((1, self._row(side)),)

    def _row(self, side: str | Mapping[str, str]) -> Row:
        if isinstance(side, Mapping):
            if set(side) != {"row", "part"}:
                self._stop(f"{dict(side)} is no side; give a row, {{row, part}} or {{gain, over}}")
            return Row(*self._split(side["row"]), part=side["part"])
        return Row(*self._split(side))

    def _split(self, name: str) -> tuple[str, str]:
        parts = str(name).split("/", 2)
        if len(parts) < 3:
            self._stop(f"{name} is no row; give <paper>/<table>/<row>")
        return f"{parts[0]}/{parts[1]}", parts[2]

    def _check_metrics(self, metrics: Sequence[str]) -> None:
        known = [*catalogue.names(), *MEASURES]
        if not metrics:
            self._stop("metrics is missing; give the scores that the claim is about")
        for metric in metrics:
            if catalogue.find(metric) is None and metric not in MEASURES:
                self._stop(f"metrics: {unknown('score', metric, known)}")

    def _check_margin(self, kind: str) -> None:
        if (kind == "equivalent") != ("margin" in self.entry):
            self._stop(f"kind={kind}: a claim of equivalence has a margin, and no other has one")
        if not self.entry.get("margin", 1) > 0:
            self._stop(f"margin={self.entry['margin']}: give a number above 0")
        if "beyond" in self.entry and kind != "order":
            self._stop(f"kind={kind}: beyond is for claims of order")

    def _published(self, number: int) -> dict[str, dict[str, tuple[float | None, ...]]]:
        if "published" not in self.entry:
            self._stop("published is missing; give the printed differences, or {} where none is printed")
        published: dict[str, dict[str, tuple[float | None, ...]]] = {}
        for label, scores in self.entry["published"].items():
            published[label] = {}
            for metric, value in scores.items():
                values = tuple(value) if isinstance(value, list) else (value,)
                if len(values) != number:
                    self._stop(f"published.{label}.{metric}: {len(values)} numbers for {number} comparisons")
                published[label][metric] = values
        return published

    def _check_rows(self, claim: Claim) -> None:
        for size in SIZES:
            for row in claim.rows(size):
                if row.table not in table_names():
                    self._stop(unknown("table", row.table, table_names()))
                names = list(dict.fromkeys(_names(row.table)))
                if row.name not in names:
                    self._stop(f"{row.table}: {unknown('row', row.name, names)}")


def _names(table: str) -> Iterator[str]:
    """The names of a table's rows, of all sizes."""
    spec = read_table(table)
    for size in SIZES:
        yield from (str(row["name"]) for row in rows_of(spec, size))


def points(metric: str, score: float) -> float:
    """A score in the unit of claims: hundredths; a ratio and a measure as they are.

    >>> points("mAP", 0.25), points("R", 0.4)
    (25.0, 0.4)
    """
    return score if metric in MEASURES or catalogue.is_ratio(metric) else 100 * score


def words_for(metric: str) -> str:
    """What a score or a measure is called.

    >>> words_for("rank1"), words_for("epochs_to_mAP")
    ('rank-1', 'epochs to an mAP')
    """
    return MEASURES.get(metric) or catalogue.label(metric)
