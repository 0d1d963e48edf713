"""One comparison of a claim in one score: our difference with its interval, and what that says of the claim."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_lit.errors import InputError
from reid_lit.tables.claims import measures
from reid_lit.tables.claims.bootstrap import query_deviation
from reid_lit.tables.claims.runs import Runs
from reid_lit.tables.claims.spec import MEASURES, Claim, Row, Terms, points, words_for
from reid_lit.tables.claims.verdict import FLOOR, Interval, Spread, interval, verdict
from reid_lit.tables.results import SeedResult

NOT_RUN = "not run yet"
Results = Mapping[Row, Mapping[int, SeedResult]]


class Line:
    """One comparison in one score: over its seeds, with its interval.

    Args:
        claim: The claim.
        runs: The runs of a size.
        terms: The comparison.
        results: Those of each row that the claim is about.
        labels: What each of these rows was tested on.
        metric: The score.
    """

    def __init__(
        self, claim: Claim, runs: Runs, terms: Terms, results: Results, labels: Mapping[Row, str], metric: str
    ) -> None:
        self.claim, self.runs, self.terms, self.results, self.metric = claim, runs, terms, results, metric
        self.labels = labels
        self.quoted = {row: scores[labels[row]] for row in labels if (scores := runs.quoted(row))}
        self.own = [(sign, row) for sign, row in terms if row not in self.quoted]

    def line(self) -> tuple[dict[str, Any], str]:
        """The line in JSON's types, and why it is not tested."""
        seeds, found, reason = self._found()
        claim = self.claim
        judged = verdict(found, kind=claim.kind, bound=claim.bound, margin=claim.margin)
        if found is not None and self._unlearnt(seeds):
            judged, reason = "undecided", f"{words_for(self.metric)} of all rows lies below {FLOOR:g}: none has learnt"
        numbers = ("mean", "low", "high", "by_seeds", "by_queries")
        return {
            "comparison": _comparison(self.terms),
            "metric": self.metric,
            **{name: None if found is None else getattr(found, name) for name in numbers},
            "seeds": seeds,
            "verdict": judged,
            "remark": reason,
        }, reason

    def _found(self) -> tuple[list[int], Interval | None, str]:
        """The seeds, the difference, and what is missing."""
        rows = list(dict.fromkeys(row for _, row in self.own))
        without = [str(row) for row in rows if not self.results[row]]
        if without:
            return [], None, f"{NOT_RUN}: {', '.join(without)}"
        shared = set.intersection(*(set(self.results[row]) for row in rows))
        values = {seed: self._values(seed) for seed in sorted(shared)}
        complete = {seed: [n for n in numbers if n is not None] for seed, numbers in values.items()}
        complete = {seed: numbers for seed, numbers in complete.items() if len(numbers) == len(self.terms)}
        if not complete:
            return [], None, self._lacks(shared)
        signs = [sign for sign, _ in self.terms]
        differences = [sum(s * n for s, n in zip(signs, numbers, strict=True)) for numbers in complete.values()]
        try:
            deviation = self._deviation(list(complete))
        except InputError as error:
            return [], None, str(error)
        found = interval(differences, deviation, self._others(next(iter(complete))))
        remarks = [
            "interval by seeds alone: no scores of single queries are kept" if deviation is None else "",
            "how seeds vary is not known: no row has three of them" if found.by_seeds is None else "",
            "quoted numbers count as exact" if self.quoted else "",
        ]
        return list(complete), found, "; ".join(filter(None, remarks))

    def _others(self, seed: int) -> Spread | None:
        """How differences of such trainings vary over seeds, by what other rows tell; None where none does."""
        rows = {self.results[row][seed].training: row for _, row in self.own}
        spreads = [self.runs.spread(self.labels[row], self.metric) for row in rows.values()]
        known = [spread for spread in spreads if spread is not None]
        if len(known) < len(spreads):
            return None
        return Spread(sum(spread.variance for spread in known), min(spread.freedom for spread in known))

    def _unlearnt(self, seeds: Sequence[int]) -> bool:
        """Whether no row is better than guessing, by rank-1 or mAP."""
        scores = [value for seed in seeds for value in self._values(seed) if value is not None]
        return self.metric in ("rank1", "mAP") and max(scores) < FLOOR

    def _lacks(self, shared: set[int]) -> str:
        if not shared:
            return "the rows have no seed in common"
        return f"the runs have no {words_for(self.metric)}"

    def _values(self, seed: int) -> list[float | None]:
        """The score, or the measure, of each term, in points."""
        if self.metric in MEASURES:
            return [self._measure(row, seed) for _, row in self.terms]
        return [self._score(row, seed) for _, row in self.terms]

    def _score(self, row: Row, seed: int) -> float | None:
        if row in self.quoted:
            return self.quoted[row].get(self.metric)
        score = self.results[row][seed].scores.get(self.metric)
        return None if score is None else points(self.metric, score)

    def _measure(self, row: Row, seed: int) -> float | None:
        folder = self.results[row][seed].training
        if self.metric == "norm_variation":
            return measures.norm_variation(folder, row.part)
        if self.metric == "triplet_rise":
            return measures.triplet_rise(folder)
        other = next(each for _, each in self.terms if each != row)
        return measures.epochs_to_level(folder, self.results[other][seed].training)

    def _deviation(self, seeds: Sequence[int]) -> float | None:
        """The deviation by queries of the mean over seeds; None where the score has no values of single queries."""
        if self.metric in MEASURES:
            return None
        parts = [
            (sign * points(self.metric, 1.0) / len(seeds), self.runs.query_values(self.results[row][seed], self.metric))
            for seed in seeds
            for sign, row in self.own
        ]
        kept = [(weight, values) for weight, values in parts if values is not None]
        return query_deviation(kept) if len(kept) == len(parts) else None


def _comparison(terms: Terms) -> str:
    """A comparison in words.

    >>> _comparison(((1, Row("strong/table1", "+warmup")), (-1, Row("strong/table1", "Baseline-S"))))
    '+warmup − Baseline-S'
    """
    names = [row.name + (f" {row.part}" if row.part else "") for _, row in terms]
    if len(names) == 4:
        return f"({names[0]} − {names[1]}) − ({names[2]} − {names[3]})"
    tables = {row.table for _, row in terms}
    if len(set(names)) < len(names) or len(tables) > 1:
        names = [str(row) for _, row in terms]
    return " − ".join(names)
