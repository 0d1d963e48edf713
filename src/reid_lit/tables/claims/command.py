"""``reid_lit.report claims``: the words of its command line, and the files of the ledger."""

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
from reid_lit.tables.spec import PAPER, REAL, SIZES
from reid_lit.wording import unknown

_WORDS = ("paper", "size", "table_dir")


def report_claims(arguments: Sequence[str]) -> tuple[Path, Mapping[str, Any]]:
    """Write the ledger into ``<table_dir>/claims``; its folder, and what it holds.

    Args:
        arguments: ``paper=`` (all), ``size=`` (paper and real) and ``table_dir=`` (tables), each but the last a list
            with commas.

    Raises:
        InputError: a word is not understood.
    """
    given = dict(_split(argument) for argument in arguments)
    chosen = {
        "paper": _listed("paper", given.get("paper"), papers(), papers()),
        "size": _listed("size", given.get("size"), SIZES, (PAPER, REAL)),
    }
    table_dir = Path(given.get("table_dir", "tables"))
    command = shlex.join(["python", "-m", "reid_lit.report", "claims", *arguments])
    content = ledger(chosen["paper"], chosen["size"], table_dir.resolve(), command)
    return write_ledger(table_dir.resolve() / "claims", content), content


def write_ledger(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write ``claims.json``, ``.md``, ``.csv``, ``.tex`` and ``.html``, each whole."""
    write_text(folder / "claims.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    for ending, text in (("md", as_markdown), ("csv", as_csv), ("tex", as_latex)):
        write_text(folder / f"claims.{ending}", text(content))
    claims_page(content, folder)
    return folder


def _split(argument: str) -> tuple[str, str]:
    key, sign, value = argument.partition("=")
    if key not in _WORDS or not sign:
        raise InputError(f"{argument}: {unknown('word of the claims', key, _WORDS)}; give <word>=<value>")
    return key, value


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
