"""SIGTERM and Ctrl-C end a command within seconds, without a traceback, with the exit code that the shell expects."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType

from reid_lit.overrides import resume_command
from reid_lit.progress import first_rank

_ASKED_AGAIN = 4.0
"""Seconds after which an exception that something has swallowed, such as a finaliser, is raised again."""


class Stopped(SystemExit):
    """The user or the machine has asked the process to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Running:
    """What a command is doing.

    Attributes:
        folder: Of the training that has begun.
        asked: The signals that have come.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.asked: list[int] = []


class _Stop:
    """The handler: it raises :class:`Stopped`, and raises it again for as long as nobody has caught it."""

    def __init__(self, asked: list[int]) -> None:
        self.asked, self.process = asked, os.getpid()

    def __call__(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGALRM and not self.asked:
            return
        if os.getpid() != self.process:
            if number == signal.SIGINT:  # Ctrl-C reaches the parent too, which ends its workers in its own time
                sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - what a queue of a worker says as it ends is no news
                return
            os._exit(128 + number)
        self.asked.append(self.asked[0] if number == signal.SIGALRM else number)
        signal.setitimer(signal.ITIMER_REAL, _ASKED_AGAIN)
        raise Stopped(self.asked[-1])


class _Hook:
    """The hook of an exception that nobody catches: in a process that was forked, a closed connection says nothing.

    The threads of a worker that hand tensors over meet it where Ctrl-C has ended the parent, which says why.
    """

    def __init__(self, before: Callable[..., object]) -> None:
        self.before, self.process = before, os.getpid()

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if os.getpid() == self.process or not issubclass(kind, ConnectionError):
            self.before(kind, error, trace)


@contextmanager
def stopping() -> Iterator[Running]:
    """Within it SIGTERM and SIGINT raise :class:`Stopped`; it then says how to go on, and ends with its exit code.

    A process that was forked within says nothing.
    """
    running = Running()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield running
        return
    stop = _Stop(running.asked)
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    hook, sys.excepthook = sys.excepthook, _Hook(sys.excepthook)
    try:
        yield running
    except BaseException:
        if not running.asked:
            raise
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in before:  # nothing is to be said twice
            signal.signal(number, signal.SIG_IGN)
        if first_rank():
            sys.stderr.write(f"\n{words(running.asked[0], running.folder)}\n")
        raise SystemExit(128 + running.asked[0]) from None
    finally:
        sys.excepthook = hook
        if not running.asked:
            for number, handler in before.items():
                signal.signal(number, handler)


def words(number: int, run: Path | None) -> str:
    """That a command was stopped, and how it goes on."""
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    if run is not None and any(run.glob("**/checkpoints/last.ckpt")):
        return f"stopped by {name}; {resume_command(run)} goes on after the last whole epoch"
    return f"stopped by {name}; the same command again goes on with what is done, or starts anew where nothing is"
