"""The audit log: each access a line, chained by HMAC with a key that is kept elsewhere; its count and head are too."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from reid_lit.errors import FailedError, InputError
from reid_lit.paths import write_text
from reid_lit.safeguards.chain import BEGINNING, Head, Line, Reading, line_of, made_line, whole_and_torn
from reid_lit.safeguards.keys import read_key, sealed
from reid_lit.safeguards.moments import now

FILE = "audit.jsonl"
HEAD = "audit.head.json"


@dataclass(frozen=True, kw_only=True)
class _Tail:
    """Where the log ends: its last line, the head beside the key, and bytes of a line that was cut short."""

    last: Line | None
    head: Head | None
    torn: bytes
    size: int


class AuditLog:
    """A log that can be added to, and not changed without a trace.

    A line is on the disk before :meth:`add` returns; the head follows it. So the log may be one line ahead of its head
    after a kill, and may end in a torn line, whose access was never answered; it is removed, and that is logged. A head
    that is ahead of the log says that lines were cut off.

    Args:
        folder: The gallery's folder, where the log is.
        outside: The folder of the key and the head.
        clock: Gives the time.

    Raises:
        FileNotFoundError: there is no key.
        ValueError: the key is none.
    """

    def __init__(self, folder: Path, outside: Path, *, clock: Callable[[], datetime] = now) -> None:
        self.file, self.head_file = folder / FILE, outside / HEAD
        self._key, self._clock = read_key(outside), clock
        self._lock = FileLock(outside / ".audit.lock")
        self._turn = threading.Lock()
        self._waiting: deque[tuple[tuple[Mapping[str, Any], ...], Future[None]]] = deque()

    def hashed(self, text: str) -> str:
        """A text that the log names and does not show, such as a person: equal texts have equal hashes."""
        return sealed(self._key, b"content " + text.encode())[:32]

    def add(self, *records: Mapping[str, Any]) -> None:
        """Write lines, all at once; number, time and chain are added.

        Threads that wait for one another share a write: what came meanwhile is on the disk together.

        Raises:
            RuntimeError: lines before were cut off, or the head was removed; nothing is written.
            ValueError: the key is another one than the log was made with.
        """
        written: Future[None] = Future()
        self._waiting.append((records, written))
        with self._turn:
            if not written.done():
                self._write_waiting()
        written.result()

    def _write_waiting(self) -> None:
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        try:
            self._write([record for records, _ in taken for record in records])
        except BaseException as error:
            for _, written in taken:
                written.set_exception(error)
        else:
            for _, written in taken:
                written.set_result(None)

    def _write(self, records: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            tail = self._tail()
            if tail.head is None:  # so that a log without a head has lost it
                write_text(self.head_file, Head(lines=0, seal=BEGINNING).as_text(self._key))
            before = [_repair(tail.torn)] if tail.torn else []
            if tail.torn:
                os.truncate(self.file, tail.size - len(tail.torn))
            lines, last = [], tail.last
            for record in (*before, *records):
                last = made_line(self._key, {**record, **self._time(last)}, after=last)
                lines.append(last.text)
            is_new = not self.file.exists()
            with self.file.open("ab") as log:
                log.write(b"".join(lines))
                log.flush()
                os.fsync(log.fileno())
            if is_new:
                _folder_to_disk(self.file.parent)
            if last is not None:
                write_text(self.head_file, Head(lines=last.number, seal=last.seal).as_text(self._key))

    def _time(self, last: Line | None) -> dict[str, str]:
        """The time of a line, and whether it is before that of the line before it."""
        moment = self._clock()
        fields = {"time": moment.isoformat(timespec="microseconds")}
        back = 0.0 if last is None else (datetime.fromisoformat(last.fields["time"]) - moment).total_seconds()
        return fields | {"clock": f"back by {back:.6f} s"} if back > 0 else fields

    def _tail(self) -> _Tail:
        """The end of the log, which must be where the head says, or behind it."""
        head = self._head()
        try:
            text = _end_of(self.file)
        except FileNotFoundError:
            text = b""
        whole, torn = whole_and_torn(text)
        last = line_of(self._key, whole[-1]) if whole else None
        if whole and last is None:
            raise self._strange("its last line was changed, or its key is another one")
        if head is None and last is not None:
            raise self._strange(f"its head {self.head_file} is missing; restore it")
        if head is not None and (last is None or last.number < head.lines):
            raise self._strange(f"it has {last.number if last else 0:,} lines, and its head says {head.lines:,}")
        if head is not None and last is not None and last.number == head.lines and last.seal != head.seal:
            raise self._strange(f"its last line is another one than {self.head_file} says")
        return _Tail(last=last, head=head, torn=torn, size=self.file.stat().st_size if text else 0)

    def _strange(self, what: str) -> FailedError:
        return FailedError(
            f"{self.file}: {what}; no access is answered until it is restored:"
            f" python -m reid_lit.gallery verify says what is wrong"
        )

    def _head(self) -> Head | None:
        try:
            return Head.of_text(self._key, self.head_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            raise InputError(
                f"{self.head_file} is of another key, or was changed; restore the audit log's key and its head"
            ) from None

    def lines(self) -> Iterator[dict[str, Any]]:
        """What was logged, in order; :meth:`verify` says whether it is true."""
        if not self.file.exists():
            return
        with self.file.open("rb") as log:
            for text in log:
                found = line_of(None, text)
                if found is not None:
                    yield found.fields

    def verify(self) -> list[str]:
        """What is wrong with the log, and where; nothing for a log that is whole. A torn last line is no fault."""
        with self._lock:
            faults, head = [], None
            try:
                head = self._head()
                if head is None and self.file.exists():
                    faults.append(f"{self.head_file} is missing: lines that are cut off at the end would not be found")
            except InputError as error:
                faults.append(str(error))
            if head is not None and head.lines and not self.file.exists():
                return [*faults, f"{self.file} is missing; it had {head.lines:,} lines"]
            return [*faults, *(f"{self.file}: {fault}" for fault in self._faults(head))]

    def _faults(self, head: Head | None) -> Iterator[str]:
        """Read the log through."""
        reading = Reading(self._key)
        if self.file.exists():
            with self.file.open("rb") as log:
                for text in log:
                    if text.endswith(b"\n"):  # a torn one was never acknowledged; the next access removes it
                        yield from reading.read(text)
        yield from reading.end(head)


def _repair(torn: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(torn).hexdigest()
    return {"who": "log", "act": "repair", "state": "done", "removed": len(torn), "sha256": digest}


def _end_of(file: Path) -> bytes:
    """The end of a file, with its last whole line."""
    with file.open("rb") as log:
        size, taken = log.seek(0, os.SEEK_END), 4096
        while True:
            start = max(0, size - taken)
            log.seek(start)
            text = log.read()
            if start == 0:
                return text
            if text.rstrip(b"\n").count(b"\n") >= 2:  # a whole line, and one that may be torn
                return text.partition(b"\n")[2]
            taken *= 8


def _folder_to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
