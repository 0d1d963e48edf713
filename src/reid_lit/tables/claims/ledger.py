"""The ledger of claims: each with its published difference, ours, how sure that is, and a verdict by the rule."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reid_lit.tables.claims import measures, words
from reid_lit.tables.claims.files import read_claims
from reid_lit.tables.claims.line import NOT_RUN, Line, Results
from reid_lit.tables.claims.runs import Runs
from reid_lit.tables.claims.spec import Claim, words_for
from reid_lit.tables.claims.verdict import RULE, VERDICTS, weakest
from reid_lit.tables.results import SeedResult
from reid_lit.tables.spec import PAPER


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
        return sorted(dict.fromkeys(lines), key=lambda line: line.startswith(NOT_RUN))

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
                line, reason = Line(claim, runs, terms, results, dict(zip(rows, labels, strict=True)), metric).line()
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
