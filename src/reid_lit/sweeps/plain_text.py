"""Tables as plain text: Markdown and CSV."""

import csv
import io
from collections.abc import Sequence
from typing import Any


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
