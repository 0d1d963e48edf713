"""Tables as plain text: Markdown, CSV, and on a terminal of any width."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, align: str = "---") -> list[str]:
    r"""The lines of a Markdown table.

    >>> markdown_table(["loss", "mAP"], [["a|b", "50.0"]], align="---:")
    ['| loss | mAP |', '| --- | ---: |', '| a\\|b | 50.0 |']

    Args:
        head: The headings.
        rows: The cells of each row.
        align: How all columns but the first are aligned.
    """
    lines = [head, ["---", *[align] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(escaped(cell) for cell in line) + " |" for line in lines]


def escaped(text: str) -> str:
    """A text on one line of a Markdown table."""
    return text.replace("|", r"\|").replace("\n", " ")


def csv_text(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    r"""A table as CSV; a text that a spreadsheet would compute stands behind an apostrophe.

    >>> csv_text(["a", "b"], [[1, None], ["=1+1", "-0.5"]])
    "a,b\n1,\n'=1+1,-0.5\n"
    """
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([[_as_text(cell) for cell in row] for row in (head, *rows)])
    return stream.getvalue()


def _as_text(cell: Any) -> Any:
    """A cell that a spreadsheet takes for a text or a number, never for a formula."""
    if not isinstance(cell, str) or cell[:1] not in ("=", "+", "-", "@", "\t", "\r"):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


_BETWEEN = 3
"""Characters between two columns."""


def print_table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], *, title: str) -> None:
    """Print a table; where the console is too narrow for its words, a block for each row, and no word is cut.

    Args:
        console: Where.
        head: The headings.
        rows: The cells of each row; the block of a row begins with its first cell and with those of no heading.
        title: Above all.
    """
    table = Table(title=escape(title), box=box.SIMPLE_HEAD)
    columns = list(zip(head, *rows, strict=True))
    words = [_longest(word for cell in cells for word in cell.split()) for cells in columns]
    for cells, word in zip(columns, words, strict=True):  # one that no break makes narrower keeps its width
        whole = word == _longest(line for cell in cells for line in cell.splitlines())
        table.add_column(escape(cells[0]), no_wrap=whole, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    if sum(words) + _BETWEEN * len(columns) + 1 <= console.width:
        console.print(table)
        return
    console.print(title, markup=False, highlight=False, style="italic", soft_wrap=True)
    named = ["", *head[1:]]
    for row in rows:
        begins = "  ".join(cell for name, cell in zip(named, row, strict=True) if cell and not name)
        console.print(begins, markup=False, highlight=False, style="bold", soft_wrap=True)
        for name, cell in zip(named, row, strict=True):
            if cell and name:
                console.print(f"  {name}: {' '.join(cell.split())}", markup=False, highlight=False, soft_wrap=True)


def _longest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)
