"""The ledger of claims: each with its published difference, ours, how sure that is, and a verdict by the rule."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError
from reid_lit.tables.claims import measures, words
from reid_lit.tables.claims.bootstrap import query_deviation
from reid_lit.tables.claims.files import read_claims
from reid_lit.tables.claims.runs import Runs
from reid_lit.tables.claims.spec import MEASURES, Claim, Row, Terms, points, words_for
from reid_lit.tables.claims.verdict import FLOOR, RULE, VERDICTS, Interval, Spread, interval, verdict, weakest
from reid_lit.tables.results import SeedResult
from reid_lit.tables.spec import PAPER

_NOT_RUN = "not run yet"
Results = Mapping[Row, Mapping[int, SeedResult]]


def ledger(papers: Sequence[str], sizes: Sequence[str], table_dirs: Sequence[Path], command: str) -> dict[str, Any]:
    """All claims of papers with what our runs say of them, in JSON's types.

    Args:
        papers: Whose claims.
        sizes: The sizes of the tables that are looked at.
        table_dirs: Where the tables' results are; of two results of a row, label and seed that of the first counts.
        command: What the report was asked for by.
    """
    runs = [Runs(size, table_dirs) for size in sizes]
    found: list[dict[str, Any]] = []
    for paper in papers:
        claims = read_claims(paper)
        entries = [_Claim(claim, runs).entry() for claim in claims]
        part: dict[str, Any] = {
            "paper": paper,
            "source": claims[0].source,
            "counts": counts(entries),
            "claims": entries,
        }
        found.append(part)
    return {
        "title": "The papers' claims on our runs",
        "command": command,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "rule": list(RULE),
        "sizes": list(sizes),
        "counts": counts([entry for part in found for entry in part["claims"]]),
        "papers": found,
    }


def counts(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims have each verdict."""
    return {name: sum(entry["verdict"] == name for entry in entries) for name in VERDICTS}


class _Claim:
    """One claim, looked up in the runs of each size."""

    def __init__(self, claim: Claim, runs: Sequence[Runs]) -> None:
        self.claim, self.runs = claim, runs

    def entry(self) -> dict[str, Any]:
        claim = self.claim
        places = [(runs, labels) for runs in self.runs for labels in runs.labels(claim.rows(runs.size), claim.only)]
        measured = [self._measured(runs, labels) for runs, labels in places]
        tested = [part for part in measured if part["verdict"] != "not tested"]
        deciding = [part for part in tested if not part["foreign"]] or tested
        return {
            "id": claim.id,
            "place": claim.place,
            "says": claim.says,
            "kind": claim.kind,
            "bound": claim.bound,
            "margin": claim.margin,
            "note": claim.note,
            "metrics": {metric: words_for(metric) for metric in claim.metrics},
            "rows": [str(row) for row in claim.rows(PAPER)],
            "published": {
                words.dataset(label): {metric: list(scores[metric]) for metric in claim.metrics if metric in scores}
                for label, scores in claim.published.items()
            },
            "verdict": weakest([part["verdict"] for part in deciding]),
            "measured": tested,
            "untested": [] if tested else self._reasons(measured),
            "commands": self._commands(measured),
        }

    def _reasons(self, measured: Sequence[Mapping[str, Any]]) -> list[str]:
        """Why it is not tested: by the sizes that can test it, else why none can."""
        lines = [str(part["reason"]) for part in measured if part["reason"]]
        if not measured:
            lines = [line for runs in self.runs for line in runs.lacking(self.claim.rows(runs.size))]
            if self.claim.only and not lines:
                lines = [f"it is about {words.joined([words.dataset(each) for each in self.claim.only])} alone"]
        return sorted(dict.fromkeys(lines), key=lambda line: line.startswith(_NOT_RUN))

    def _commands(self, measured: Sequence[Mapping[str, Any]]) -> list[str]:
        """What would test or decide it where that is open; of a claim that is tested somewhere, by the same size."""
        tested = {part["size"] for part in measured if part["verdict"] != "not tested"}
        waiting = [part for part in measured if part["verdict"] in ("not tested", "undecided")]
        sizes = {part["size"] for part in waiting if not tested or part["size"] in tested}
        looked = [runs for runs in self.runs if runs.size in sizes]
        commands = [line for runs in looked for line in runs.commands(self.claim.rows(runs.size))]
        if commands:
            commands += [f"then {measures.HOW[metric]}" for metric in self.claim.metrics if metric in measures.HOW]
        return commands

    def _measured(self, runs: Runs, labels: Sequence[str]) -> dict[str, Any]:
        """The claim on one data set."""
        claim, rows = self.claim, self.claim.rows(runs.size)
        results: Results = {row: runs.results(row, label) for row, label in zip(rows, labels, strict=True)}
        lines, reasons = [], []
        for place, terms in enumerate(claim.comparisons[runs.size]):
            for metric in claim.metrics:
                line, reason = _Line(claim, runs, terms, results, dict(zip(rows, labels, strict=True)), metric).line()
                published = claim.published.get(labels[0], {}).get(metric) if runs.size == PAPER else None
                lines.append(line | {"published": None if published is None else published[place]})
                reasons.append(reason)
        pairs = list(zip(rows, labels, strict=True))
        every = [result for found in results.values() for result in found.values()]
        told = "" if any(line["mean"] is not None for line in lines) else words.joined([r for r in reasons if r])
        return {
            "size": runs.size,
            "label": words.joined(labels),
            "data": words.joined([words.data(label, _tested(results[row], label)) for row, label in pairs]),
            "network": words.joined([words.network(runs.config(result)) for result in every]),
            "differing": words.differing([result.stamp for result in every]),
            "foreign": not all(runs.reproduced(row, label) for row, label in pairs if not runs.quoted(row)),
            "seeds": sorted({seed for line in lines for seed in line["seeds"]}),
            "runs": sorted({str(result.folder) for result in every}),
            "lines": lines,
            "verdict": weakest([line["verdict"] for line in lines]),
            "reason": told,
        }  # fmt: skip


def _tested(results: Mapping[int, SeedResult], label: str) -> str:
    """The name of the row of results, of the first seed; before there is one, what the label ends with."""
    names = (str(result.row["dataset"]) for result in results.values())
    return next(names, label.rpartition("-")[2])


class _Line:
    """One comparison in one score: over its seeds, with its interval."""

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
            return [], None, f"{_NOT_RUN}: {', '.join(without)}"
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
