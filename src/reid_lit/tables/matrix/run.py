"""Running a matrix: its table is planned and run, its files are written after every job."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.tables.command import TableRequest
from reid_lit.tables.jobs import Place
from reid_lit.tables.matrix import text
from reid_lit.tables.matrix.command import read_matrix
from reid_lit.tables.matrix.facts import matrix_facts
from reid_lit.tables.matrix.files import write_matrix
from reid_lit.tables.matrix.table import MatrixCell, MatrixRequest, cells_of, table_of
from reid_lit.tables.matrix.words import MatrixError
from reid_lit.tables.plan import chains, places_of
from reid_lit.tables.plan_text import show_plan
from reid_lit.tables.spec import TableError
from reid_lit.tables.sweep import devices_of, finish, run_chains, run_places


def run_matrix(config: DictConfig) -> None:
    """Plan, run, and write the matrix after every job.

    Raises:
        SystemExit: a word or an override is not known, or a job is not done; the exit code is 1.
    """
    launcher = _launcher()
    try:
        request = read_matrix(config)
        table = table_of(request, _title(config, request))
        planned = TableRequest(f"matrix/{config.size}", plan_only=config.plan, trainings_dir=_folder(config.trainings))
        places = places_of(table, planned)
    except (MatrixError, TableError) as error:
        sys.exit(str(error))
    cells = cells_of(request, table, places)
    show_plan(table, planned, places, where=devices_of(launcher, chains(places)))
    _show_reasons(cells)
    if planned.plan_only:
        return
    folder, about = Path(_folder(config.output)), _about(config, request)
    runner = launcher.runner(folder)

    def write(_: object = None) -> dict[str, Any]:
        facts = matrix_facts(cells, about | {"written": datetime.now(UTC).isoformat(timespec="seconds")})
        write_matrix(folder, facts)
        return facts

    def again() -> list[Place]:
        nonlocal cells
        places = places_of(table, planned)
        cells = cells_of(request, table, places)
        return places

    write()
    try:
        outcomes = run_places(places, lambda todo: run_chains(todo, runner, write), again)
    finally:
        facts = write()
    _show(facts, folder)
    finish(outcomes)


def _launcher() -> Any:
    """The launcher that the command line names.

    Raises:
        SystemExit: it is none of ours, which start the jobs themselves.
    """
    hydra = HydraConfig.get()
    if not str(hydra.launcher["_target_"]).startswith("hydra_plugins.reid_lit_tables."):
        named = hydra.runtime.choices["hydra/launcher"]
        sys.exit(f"hydra/launcher={named}: a matrix is run by a launcher of ours; give hydra/launcher=process or slurm")
    return instantiate(hydra.launcher)


def _folder(name: str) -> str:
    return str(Path(name).expanduser())


def _title(config: DictConfig, request: MatrixRequest) -> str:
    size = "" if config.size == "paper" else f", size {config.size}"
    sources, targets = (", ".join(d.name for d in datasets) for datasets in (request.sources, request.targets))
    return f"Across domains: {sources} to {targets}{size}"


def _about(config: DictConfig, request: MatrixRequest) -> dict[str, Any]:
    return {
        "title": _title(config, request),
        "size": config.size,
        "command": config.command,
        "written": "",
        "seeds": list(request.seeds),
        "sources": [dataset.name for dataset in request.sources],
        "targets": [dataset.name for dataset in request.targets],
        "methods": {method.name: method.says for method in request.methods},
        "direct": [method.name for method in request.methods if method.of_source],
        "lacking": dict(request.missing),
    }


def _show_reasons(cells: Sequence[MatrixCell]) -> None:
    for reason in dict.fromkeys(cell.reason for cell in cells if cell.reason):
        Console().print(f"left empty: {reason}", markup=False, highlight=False, soft_wrap=True)


def _show(facts: Mapping[str, Any], folder: Path) -> None:
    console = Console()
    for block in text.blocks(facts):
        sources = [f"from {source}" for source in facts["sources"]]
        table = Table("method", *sources, title=f"mAP / rank-1 in %, on {block['target']}")
        for row in block["rows"]:
            table.add_row(row["method"], *(escape(text.words(cell)) for cell in row["cells"]))
        console.print(table)
    for note in text.notes(facts):
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    names = "matrix.html, .md, .csv, .json and .png"
    console.print(f"{folder.resolve()} has {names}", markup=False, highlight=False, soft_wrap=True)
