"""How far long work is, shown while somebody watches."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch.distributed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much."""


@contextmanager
def progress(title: str, *, after: float = 1.5) -> Iterator[Progress]:
    """A bar on standard error, when that is a terminal, on the first rank alone; it leaves nothing behind.

    Args:
        title: What is being done.
        after: Seconds before it appears.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Bar(*columns, console=console, transient=True)
    task = bar.add_task(title, total=None)
    watched = console.is_terminal and _rank() == 0
    start, shown = time.monotonic(), False

    def tell(done: int, total: int) -> None:
        nonlocal shown
        if watched and not shown and time.monotonic() - start > after:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=total)

    try:
        yield tell
    finally:
        if shown:
            bar.stop()


def _rank() -> int:
    """This process's number among those that work together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    return int(os.environ.get("LOCAL_RANK", "0"))
