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
    r"""A table as CSV.

    >>> csv_text(["a", "b"], [[1, None]])
    'a,b\n1,\n'
    """
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([head, *rows])
    return stream.getvalue()
