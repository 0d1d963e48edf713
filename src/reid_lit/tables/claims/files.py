"""The files of claims, read and checked; what they hold: :mod:`reid_lit.tables.claims.spec`."""

import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import OmegaConf

from reid_lit.errors import InputError
from reid_lit.evaluation import catalogue
from reid_lit.paths import packaged
from reid_lit.tables.claims.spec import MEASURES, Claim, Row, Terms
from reid_lit.tables.spec import PAPER, SIZES, SMALL, read_table, rows_of, table_names
from reid_lit.wording import near, unknown

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
            if len(comparisons[size]) != len(comparisons[PAPER]):
                self._stop(f"{size}: {len(comparisons[size])} comparisons for {len(comparisons[PAPER])} of the paper")
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
                names = _names(row.table)
                if row.name not in names:
                    self._stop(f"{row.table}: {unknown('row', row.name, names)}")


@cache
def _names(table: str) -> tuple[str, ...]:
    """The names of a table's rows, of all sizes."""
    spec = read_table(table)
    return tuple(dict.fromkeys(str(row["name"]) for size in SIZES for row in rows_of(spec, size)))
