"""Results that go with the source: slim copies of the folders of runs, with the plans that say which number is whose.

A copy holds what a report and the ledger of claims read: config, scores, the scores of single queries in half
precision, the log, and the starts with their machines. It holds no weights, no image, and no path of the machine that
it comes from.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError, MissingFileError
from reid_lit.paths import packaged, write_text
from reid_lit.run.query_scores import FOLDER as QUERIES
from reid_lit.run.query_scores import halve_query_scores
from reid_lit.tables.differences import tested_whole
from reid_lit.tables.plan_file import KEPT, plans_in, read_plan, store_plan
from reid_lit.tables.replaced import coming_results, leave_out_replaced, moved, that_would_lose, training_name
from reid_lit.tables.results import read_cell

PLACE = "experiments/measured"
"""Where results are kept unless another place is given."""

_TEXTS = ("config.yaml", "metrics.json", "environment.json", "job.json", "log/metrics.csv", "figures/norms.json")
_QUERIES = (f"{QUERIES}/*.safetensors", f"split_*/{QUERIES}/*.safetensors")
_PATH = re.compile(r"(?<![\w.:/\]})~-])/(?:[^/\s\"'=,;:]+/)+")


def kept_folder() -> Path | None:
    """The results that go with this checkout; None where there are none, as in a wheel."""
    folder = packaged("experiments") / Path(PLACE).name
    return folder if folder.is_dir() else None


@dataclass(frozen=True, slots=True)
class KeptTable:
    """What was kept of a table.

    Attributes:
        folder: That of its plan and its report.
        numbers: How many cells and seeds have a result there now.
        new: How many of them were not there before.
        cut: How many were left out since they were tested on a part of their test set.
    """

    folder: Path
    numbers: int
    new: int
    cut: int


def keep(table_dir: Path, into: Path, sizes: Sequence[str], *, replace: bool = False) -> list[KeptTable]:
    """Copy the results of tables to where they are kept; what is kept there of other machines stays.

    A result that is there is replaced by one of the same row, label and seed; a training that none shows any more goes.
    A training that was made anew, such as on another machine, replaces the kept one of its name and all results of it:
    other weights gave them. Where results would be lost by that, the kept one stays, and a warning says so.

    Args:
        table_dir: Where the tables' results are.
        into: Where they are kept.
        sizes: The sizes of tables that are kept.
        replace: Whether trainings that have fewer results than are kept replace the kept ones all the same.

    Raises:
        FileNotFoundError: no table of these sizes has a result there.
        ValueError: both folders are the same one, or tables were run in the second one.
    """
    source, target = table_dir.resolve(), into.resolve()
    if source == target:
        raise InputError(f"table_dir={table_dir} is where results are kept; give the folder of a table that was run")
    _check_place(into, target)
    before = _named(target)
    plans = [(plan, _done(plan)) for plan in plans_in(source) if plan["size"] in sizes]
    stay = set() if replace else that_would_lose(coming_results(plans), target)
    plans = [(plan, [(cell, whole) for cell, whole in done if training_name(cell) not in stay]) for plan, done in plans]
    cut = leave_out_replaced(coming_results(plans), target)
    found = [_kept(plan, done, source, target) for plan, done in plans]
    tables = [table for table in found if table is not None]
    if not tables and not stay:
        raise MissingFileError(
            f"{source} has no result of a table of size={','.join(sizes)}; run one first:"
            f" python -m reid_lit.train +table=… size={sizes[0]} table_dir={table_dir}"
        )
    for training in before - _named(target):  # their results were replaced by newer ones
        shutil.rmtree(training, ignore_errors=True)
    own = {table.folder for table in tables}
    return [*tables, *(KeptTable(folder, number, 0, 0) for folder, number in cut.items() if folder not in own)]


def _named(target: Path) -> set[str]:
    """The trainings that the plans of a folder name."""
    return {cell["training"] for plan in plans_in(target) for cell in plan["cells"]}


def _check_place(into: Path, target: Path) -> None:
    """Refuse a folder in which tables were run: results that are kept would take the place of their plans."""
    run = next((plan["folder"] for plan in plans_in(target) if not plan.get(KEPT)), None)
    run = run or next(iter(sorted(map(str, target.glob("trainings/*/checkpoints")))), None)
    if run is not None:
        raise InputError(f"into={into}: tables were run there, as {run} shows; give a folder for results alone")


def _done(plan: Mapping[str, Any]) -> list[tuple[dict[str, Any], bool]]:
    """The cells of a table that have a result, and whether it is of the whole test set."""
    found = ((cell, read_cell(cell)) for cell in plan["cells"])
    return [(cell, tested_whole(result.row["stamp"])) for cell, result in found if result is not None]


def _kept(
    plan: Mapping[str, Any], done: Sequence[tuple[dict[str, Any], bool]], source: Path, target: Path
) -> KeptTable | None:
    """Copy the results of one table; None where it has none."""
    whole = [cell for cell, is_whole in done if is_whole]
    if not whole:
        return None
    folder = target / Path(plan["folder"]).relative_to(source)
    cells = [_copied(cell, source, target) for cell in whole]
    names = [str(row["name"]) for row in plan["rows"]]
    earlier = list(_earlier(folder, names))
    mine = {_key(cell) for cell in cells}
    before = {_key(cell) for cell in earlier}
    cells = sorted([*cells, *(cell for cell in earlier if _key(cell) not in mine)], key=_key)
    content = {name: value for name, value in plan.items() if name not in ("folder", "table_dir", "cells")}
    content = json.loads(portable(json.dumps(content), source)) | {KEPT: True, "cells": cells}
    store_plan(folder, content | {"seeds": sorted({cell["seed"] for cell in cells})})
    return KeptTable(folder, len(cells), len(mine - before), len(done) - len(whole))


def _earlier(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The cells that are kept, with the places that their rows have now; rows that are no more are left out."""
    plan = read_plan(folder) or {"cells": ()}
    for cell in plan["cells"]:
        name = str(plan["rows"][cell["row"]]["name"])
        if name in names:
            yield cell | {"row": names.index(name)}


def _key(cell: Mapping[str, Any]) -> tuple[int, str, int]:
    return cell["row"], cell["label"], cell["seed"]


def _copied(cell: Mapping[str, Any], source: Path, target: Path) -> dict[str, Any]:
    """Copy the folders of a cell; the cell with their new places."""
    copies = moved(cell, target)
    for old, new in copies.items():
        _slim(old, new, source)
    return dict(cell) | {name: str(copies[Path(cell[name])]) for name in ("training", "folder")}


def _slim(run: Path, copy: Path, table_dir: Path) -> None:
    """Copy of a run's folder what reports read."""
    for name in _TEXTS:
        if (run / name).is_file():
            write_text(copy / name, portable((run / name).read_text(encoding="utf-8"), table_dir))
    for file in (file for pattern in _QUERIES for file in run.glob(pattern)):
        halve_query_scores(file, copy / file.relative_to(run))


def portable(text: str, table_dir: Path) -> str:
    """A text without absolute paths: those below the tables' folder begin with ``tables/``, of others the name stays.

    >>> portable("root: /data/reid/WARD, dirpath: '/runs/tables/trainings/a/checkpoints'", Path("/runs/tables"))
    "root: WARD, dirpath: 'tables/trainings/a/checkpoints'"
    >>> portable("strong/table1 of https://example.org/a/b, 3 / 4", Path("/runs/tables"))
    'strong/table1 of https://example.org/a/b, 3 / 4'
    """
    return _PATH.sub("", text.replace(f"{table_dir}/", "tables/"))
