"""The runs behind the rows of the tables that claims compare, in one size: found by the tables' plans."""

import itertools
import shlex
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from reid_lit.evaluation.catalogue import is_ratio
from reid_lit.overrides import key_of
from reid_lit.run.query_scores import QueryScoresFile, read_query_scores
from reid_lit.tables.claims.bootstrap import QueryValues, Tests
from reid_lit.tables.claims.spec import Row, points
from reid_lit.tables.claims.verdict import Spread, pooled
from reid_lit.tables.plan_file import plans_in, read_plan
from reid_lit.tables.report import report_of
from reid_lit.tables.results import SeedResult, config_of, read_cell
from reid_lit.tables.spec import PAPER, cells, read_table, rows_of, status, suffix


class TableRuns:
    """The runs of one table in one size.

    Args:
        name: ``<paper>/<table>``.
        size: One of the tables' sizes.
        table_dirs: Where the tables' plans are.
    """

    def __init__(self, name: str, size: str, table_dirs: Sequence[Path]) -> None:
        self.name, self.size = name, size
        self.spec = read_table(name)
        self.there = size == PAPER or size in self.spec
        self.rows = [dict(row) for row in rows_of(self.spec, size)] if self.there else []
        plans = [read_plan(folder / (name + suffix(size))) for folder in table_dirs]
        self.plans = [plan for plan in plans if plan is not None]

    def row(self, name: str) -> Mapping[str, Any] | None:
        """A row of this size; None where it has not that row."""
        return next((row for row in self.rows if str(row["name"]) == name), None)

    def labels(self, name: str) -> list[str]:
        """The labels that a row is run at, or quoted at."""
        return list(self.quoted(name)) or [label for row, label in self._labels if row == name]

    def quoted(self, name: str) -> Mapping[str, Mapping[str, float]]:
        """The scores in points that the paper quotes of a row, by label; empty where the row is run."""
        row = self.row(name)
        if self.size != PAPER or row is None or status(row) != "quoted":
            return {}
        part = 100 if self.spec["unit"] == "percent" else 1
        return {
            label: {
                metric: points(metric, score / (1 if is_ratio(metric) else part)) for metric, score in scores.items()
            }
            for label, scores in row.get("published", {}).items()
        }

    @cached_property
    def _labels(self) -> list[tuple[str, str]]:
        if not self.there:
            return []
        return [(str(self.rows[cell.row]["name"]), cell.label) for cell in cells(self.spec, self.size)]

    def reproduced(self, name: str, label: str) -> bool:
        """Whether a row's results at a label were measured on the paper's own data, by its recipe's data sets."""
        if self.size != PAPER:
            return False
        rows = [row for report in self._reports for row in report["rows"] if row["name"] == name]
        parts = [row["cells"][label] for row in rows if row["cells"].get(label, {}).get("runs")]
        return bool(parts) and all(part["reproduction"] for part in parts)

    @cached_property
    def _reports(self) -> list[Mapping[str, Any]]:
        return [report_of(plan) for plan in self.plans]


class Runs:
    """The runs of all tables in one size.

    Args:
        size: One of the tables' sizes.
        table_dirs: Where the tables' results are; of two results of a row, label and seed that of the first counts.
    """

    def __init__(self, size: str, table_dirs: Sequence[Path]) -> None:
        self.size, self.table_dirs = size, table_dirs
        self._tables: dict[str, TableRuns] = {}
        self._queries: dict[Path, list[QueryScoresFile]] = {}
        self._configs: dict[Path, Mapping[str, Any]] = {}

    def table(self, name: str) -> TableRuns:
        """A table, read once."""
        if name not in self._tables:
            self._tables[name] = TableRuns(name, self.size, self.table_dirs)
        return self._tables[name]

    def own(self, row: Row) -> Row:
        """The row whose runs a row's are: its own, or those of the row that it is the same as."""
        entry = self.table(row.table).row(row.name)
        if entry is None or status(entry) != "same_as":
            return row
        paper, table, name = str(entry["same_as"]).split("/", 2)
        return Row(f"{paper}/{table}", name, row.part)

    def missing(self, row: Row) -> str:
        """Why a row can have no run in this size; empty where it can."""
        own = self.own(row)
        table = self.table(own.table)
        entry = table.row(own.name)
        if not table.there:
            return f"{own.table} has no size={self.size}"
        if entry is None:
            return f"{own} is no row of size={self.size}"
        if status(entry) == "waiting":
            return f"{own.name} waits: {entry['waiting']}"
        if status(entry) == "quoted" and self.size != PAPER:
            return f"{own.name} is quoted by the paper and not run"
        return "" if table.labels(own.name) else f"{own} has no data set in size={self.size}"

    def lacking(self, rows: Sequence[Row]) -> list[str]:
        """Why rows cannot be compared in this size; empty where they can. One at least has to be run."""
        reasons = [reason for row in rows if (reason := self.missing(row))]
        if not reasons and all(self.quoted(row) for row in rows):
            reasons = [f"{row.name} is quoted by the paper and not run" for row in rows]
        return reasons

    def quoted(self, row: Row) -> Mapping[str, Mapping[str, float]]:
        """What the paper quotes of a row, see :meth:`TableRuns.quoted`."""
        own = self.own(row)
        return self.table(own.table).quoted(own.name)

    def labels(self, rows: Sequence[Row], only: Sequence[str]) -> list[tuple[str, ...]]:
        """What rows are compared on: a label for each of them, once for each comparison that they allow.

        Args:
            rows: The rows.
            only: The labels that a claim is about; empty: all. A claim about one data set says nothing of another.
        """
        if self.lacking(rows):
            return []
        of_rows = [self.table(own.table).labels(own.name) for own in map(self.own, rows)]
        shared = [label for label in of_rows[0] if all(label in labels for labels in of_rows)]
        if only:
            shared = [label for label in shared if label in only]
        if shared:
            return [(label,) * len(rows) for label in shared]
        single = not only and all(len(labels) == 1 for labels in of_rows)
        return [tuple(labels[0] for labels in of_rows)] if single else []

    def results(self, row: Row, label: str) -> dict[int, SeedResult]:
        """The results of a row at a label, by seed."""
        own = self.own(row)
        return self._results.get((own.table, own.name, label), {})

    @cached_property
    def _results(self) -> dict[tuple[str, str, str], dict[int, SeedResult]]:
        """The results of all tables by table, row and label, then by seed, as far as they are in."""
        found: dict[tuple[str, str, str], dict[int, SeedResult]] = {}
        for plan in self._plans:
            for cell in plan["cells"]:
                seeds = found.setdefault((plan["table"], str(plan["rows"][cell["row"]]["name"]), cell["label"]), {})
                if cell["seed"] not in seeds:
                    result = read_cell(cell)
                    seeds |= {} if result is None else {result.seed: result}
        return found

    def reproduced(self, row: Row, label: str) -> bool:
        """Whether they were measured on the paper's own data."""
        own = self.own(row)
        return self.table(own.table).reproduced(own.name, label)

    def query_values(self, result: SeedResult, metric: str) -> Tests | None:
        """What a score is the mean of, by the test and the hash of its queries; None where it is not kept."""
        if result.folder not in self._queries:
            self._queries[result.folder] = read_query_scores(result.folder, result.row["dataset"])
        values = {}
        for place, file in enumerate(self._queries[result.folder]):
            found = file.values(metric)
            if found is None:
                return None
            values[f"{place:03} {file.row}", file.queries] = QueryValues(found, file.persons)
        return values or None

    def spread(self, label: str, metric: str) -> Spread | None:
        """How a score at a label varies over seeds, by all rows that have enough of them; None: there is none."""
        return pooled(
            [points(metric, scores[metric]) for scores in seeds if metric in scores]
            for seeds in self._scores.get(label, ())
        )

    @cached_property
    def _scores(self) -> dict[str, list[list[Mapping[str, float]]]]:
        """The scores of each seed of each row, by label; rows that share their runs count once."""
        rows = {
            (label, frozenset((each.training.name, each.folder.name) for each in seeds.values())): seeds
            for (_, _, label), seeds in self._results.items()
        }
        found: dict[str, list[list[Mapping[str, float]]]] = {}
        for (label, _), seeds in rows.items():
            found.setdefault(label, []).append([result.scores for result in seeds.values()])
        return found

    def config(self, result: SeedResult) -> Mapping[str, Any]:
        """The config of a result's training."""
        if result.training not in self._configs:
            self._configs[result.training] = config_of(result.training)
        return self._configs[result.training]

    def commands(self, rows: Sequence[Row], seeds: str = "0,1,2") -> list[str]:
        """The commands that run rows, as other results of their paper were run; empty where one cannot be run."""
        if self.lacking(rows):
            return []
        owns = sorted({(own.table, own.name) for own in (self.own(row) for row in rows if not self.quoted(row))})
        commands = []
        for table, group in itertools.groupby(owns, key=lambda pair: pair[0]):
            names = ",".join(name for _, name in group)
            size = [] if self.size == PAPER else [f"size={self.size}"]
            words = ["python", "-m", "reid_lit.train", f"+table={table}", *size, f"rows={names}", f"seed={seeds}"]
            commands.append(shlex.join([*words, *self._overrides(table)]))
        return commands

    def _overrides(self, table: str) -> list[str]:
        """What the results of a table, else of another one of its paper, were asked for with, but for the machine."""
        paper = table.partition("/")[0]
        plans = [plan for plan in self._plans if plan["table"].partition("/")[0] == paper]
        plan = min(plans, key=lambda plan: plan["table"] != table, default={"overrides": ()})
        return [each for each in plan["overrides"] if key_of(each).partition(".")[0] != "machine"]

    @cached_property
    def _plans(self) -> list[Mapping[str, Any]]:
        """The plans of all tables in this size, folder by folder."""
        return [plan for folder in self.table_dirs for plan in plans_in(folder) if plan["size"] == self.size]
