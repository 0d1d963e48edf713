"""``reid_lit.report claims`` and ``keep``: the words of their command lines, the files of the ledger, kept results."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError
from reid_lit.paths import write_text
from reid_lit.tables.claims.files import papers
from reid_lit.tables.claims.ledger import ledger
from reid_lit.tables.claims.page import claims_page
from reid_lit.tables.claims.text import as_csv, as_latex, as_markdown
from reid_lit.tables.kept import PLACE, KeptTable, keep, kept_folder
from reid_lit.tables.plan_file import plans_in
from reid_lit.tables.report import report_of
from reid_lit.tables.report_text import as_markdown as as_markdown_report
from reid_lit.tables.spec import PAPER, REAL, SIZES
from reid_lit.wording import unknown

_WORDS = {"claims": ("paper", "size", "table_dir"), "keep": ("size", "table_dir", "into", "replace")}


def report_claims(arguments: Sequence[str]) -> tuple[Path, Mapping[str, Any]]:
    """Write the ledger into ``<table_dir>/claims``; its folder, and what it holds.

    Args:
        arguments: ``paper=`` (all), ``size=`` (paper and real) and ``table_dir=`` (tables, then what is kept with the
            source), each a list with commas. The report goes into the first of these folders.

    Raises:
        InputError: a word is not understood.
    """
    given = _words("claims", arguments)
    chosen = {
        "paper": _listed("paper", given.get("paper"), papers(), papers()),
        "size": _listed("size", given.get("size"), SIZES, (PAPER, REAL)),
    }
    table_dirs = _table_dirs(given.get("table_dir"))
    command = shlex.join(["python", "-m", "reid_lit.report", "claims", *arguments])
    content = ledger(chosen["paper"], chosen["size"], table_dirs, command)
    return write_ledger(table_dirs[0] / "claims", content), content


def _table_dirs(given: str | None) -> list[Path]:
    """The folders of tables that are asked for: by default the own ones, then those that are kept with the source."""
    if given is None:
        kept = kept_folder()
        return [Path("tables").resolve(), *([] if kept is None else [kept])]
    return [Path(name).resolve() for name in given.strip("[]").split(",")]


def write_ledger(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write ``claims.json``, ``.md``, ``.csv``, ``.tex`` and ``.html``, each whole."""
    write_text(folder / "claims.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    for ending, text in (("md", as_markdown), ("csv", as_csv), ("tex", as_latex)):
        write_text(folder / f"claims.{ending}", text(content))
    claims_page(content, folder)
    return folder


def keep_results(arguments: Sequence[str]) -> tuple[list[KeptTable], Mapping[str, Any]]:
    """Keep the results of tables where they can be committed, with reports of all tables there and the ledger.

    Args:
        arguments: ``size=`` (paper and real, a list with commas), ``table_dir=`` (tables), ``into=``
            (experiments/measured), ``replace=true`` (false): a training made anew takes the place of the kept one even
            where it has fewer results.

    Raises:
        InputError: a word is not understood, or there is nothing to keep.
    """
    given = _words("keep", arguments)
    sizes = _listed("size", given.get("size"), SIZES, (PAPER, REAL))
    into = Path(given.get("into", PLACE))
    if (replace := given.get("replace", "false")) not in ("true", "false"):
        raise InputError(f"replace={replace}: give one of true, false")
    tables = keep(Path(given.get("table_dir", "tables")), into, sizes, replace=replace == "true")
    for plan in plans_in(into):  # others share trainings with those, which a later one replaces
        write_text(Path(plan["folder"]) / "report.md", as_markdown_report(report_of(plan)))
    command = shlex.join(["python", "-m", "reid_lit.report", "claims", f"table_dir={_in_its_repository(into)}"])
    content = ledger(papers(), sizes, [into.resolve()], command)
    write_text(into / "claims.md", as_markdown(content))
    return tables, content


def _in_its_repository(folder: Path) -> str:
    """A folder from the root of its repository, or its name: what is committed names no place of a machine."""
    whole = folder.resolve()
    root = next((parent for parent in whole.parents if (parent / ".git").exists()), whole.parent)
    return whole.relative_to(root).as_posix()


def _words(command: str, arguments: Sequence[str]) -> dict[str, str]:
    """The words of a command line, by their names."""
    given = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if key not in _WORDS[command] or not sign:
            raise InputError(f"{argument}: {unknown(f'word of {command}', key, _WORDS[command])}; give <word>=<value>")
        given[key] = value
    return given


def _listed(key: str, value: str | None, known: Sequence[str], default: Sequence[str]) -> list[str]:
    if value is None:
        return list(default)
    named = [word.strip() for word in value.strip("[]").split(",") if word.strip()]
    for name in named:
        if name not in known:
            raise InputError(f"{key}={name}: {unknown(key, name, known)}")
    if not named:
        raise InputError(f"{key}={value}: give one or more of {', '.join(known)}")
    return named
