"""How far long work is, shown on a terminal; and which of several processes shows it."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""What launchers call the number of a process; the first that is set counts, as for Lightning."""


def untold(done: int, total: int) -> None:
    """Tell nobody how far it is."""


@contextmanager
def progress(title: str, *, after: float = 1.5) -> Iterator[Progress]:
    """Show a bar on standard error, on the first rank alone and if that is a terminal; it is removed at the end.

    Args:
        title: What is being done.
        after: Seconds before it appears.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Bar(*columns, console=console, transient=True)
    task = bar.add_task(title, total=None)
    watched = console.is_terminal and first_rank()
    start, shown = time.monotonic(), False

    def update(done: int, total: int) -> None:
        nonlocal shown
        if watched and not shown and time.monotonic() - start > after:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        if shown:
            bar.stop()


def first_rank() -> bool:
    """Whether this process is the first of those that work together, or works alone: the one that writes and shows."""
    distributed = sys.modules.get("torch.distributed")  # a process that has not loaded torch has joined no group
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank() == 0
    if next((os.environ[key] for key in _RANKS if key in os.environ), "0") != "0":
        return False
    return "RANK" in os.environ or os.environ.get("NODE_RANK", "0") == "0"  # else it is the first of its machine
