"""Rates that all processes share: the package ``limits`` over a storage in SQLite."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limits import parse_many
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.safeguards.refusals import RateError

FILE = "limits.sqlite"
SCHEME = "reid-sqlite"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS hits"
    " (key TEXT NOT NULL, time REAL NOT NULL, amount INTEGER NOT NULL, ends REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS hits_by_key ON hits (key, time)",
    "CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, value INTEGER NOT NULL, ends REAL NOT NULL)",
)

_INHERITED: list[sqlite3.Connection] = []
"""Connections of a parent process: SQLite forbids to close them here."""


class _Held:
    """A connection that is closed with the thread that has it; not by a process that has inherited it by a fork."""

    def __init__(self, path: str) -> None:
        self.process = os.getpid()
        self.connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        for statement in _TABLES:
            self.connection.execute(statement)

    def __del__(self) -> None:
        if self.process == os.getpid():
            self.connection.close()
        else:
            _INHERITED.append(self.connection)


class SQLiteStorage(Storage, MovingWindowSupport):
    """Counters and moving windows in a file, one transaction a hit.

    Where the clock has gone back, hits of the time to come count as made now: they end one window from now.

    Source: the interfaces ``Storage`` and ``MovingWindowSupport`` of https://limits.readthedocs.io, custom storage.

    Args:
        uri: ``reid-sqlite://`` and the absolute path of the file.
        wrap_exceptions: See ``Storage``.
        options: See ``Storage``.
    """

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - as the package declares it

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: float | str | bool) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self._path = uri.removeprefix(f"{SCHEME}://")
        self._threads, self._turn = threading.local(), threading.Lock()

    @property
    @override
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return sqlite3.Error

    @contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, float]]:
        """A connection that no other process writes beside, and the time."""
        with self._turn:  # threads of one process wait here; SQLite's own wait is a series of naps
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                moment = time.time()
                yield connection, moment
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _connection(self) -> sqlite3.Connection:
        """One for each thread and process: SQLite's must not cross a fork."""
        held: _Held | None = getattr(self._threads, "held", None)
        if held is None or held.process != os.getpid():
            held = self._threads.held = _Held(self._path)
        return held.connection

    def close(self) -> None:
        """Close this thread's connection."""
        self._threads.held = None

    @override
    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        with self._transaction() as (connection, moment):
            connection.execute("DELETE FROM counters WHERE ends <= ?", (moment,))
            connection.execute(
                "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
                (key, amount, moment + expiry),
            )
            return int(connection.execute("SELECT value FROM counters WHERE key = ?", (key,)).fetchone()[0])

    @override
    def get(self, key: str) -> int:
        query = "SELECT value FROM counters WHERE key = ? AND ends > ?"
        found = self._connection().execute(query, (key, time.time())).fetchone()
        return int(found[0]) if found else 0

    @override
    def get_expiry(self, key: str) -> float:
        found = self._connection().execute("SELECT ends FROM counters WHERE key = ?", (key,)).fetchone()
        return float(found[0]) if found else time.time()

    @override
    def check(self) -> bool:
        return self._connection().execute("SELECT 1").fetchone() == (1,)

    @override
    def reset(self) -> int | None:
        with self._transaction() as (connection, _):
            count = "SELECT COUNT(DISTINCT key) FROM (SELECT key FROM hits UNION SELECT key FROM counters)"
            number = int(connection.execute(count).fetchone()[0])
            connection.execute("DELETE FROM hits")
            connection.execute("DELETE FROM counters")
        return number

    @override
    def clear(self, key: str) -> None:
        with self._transaction() as (connection, _):
            connection.execute("DELETE FROM hits WHERE key = ?", (key,))
            connection.execute("DELETE FROM counters WHERE key = ?", (key,))

    @override
    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        if amount > limit:
            return False
        with self._transaction() as (connection, moment):
            connection.execute("DELETE FROM hits WHERE ends <= ?", (moment,))
            connection.execute(
                "UPDATE hits SET time = ?, ends = ? WHERE key = ? AND time > ?", (moment, moment + expiry, key, moment)
            )
            used = connection.execute(
                "SELECT COALESCE(SUM(amount), 0) FROM hits WHERE key = ? AND time > ?", (key, moment - expiry)
            ).fetchone()[0]
            if used + amount > limit:
                return False
            connection.execute("INSERT INTO hits VALUES (?, ?, ?, ?)", (key, moment, amount, moment + expiry))
        return True

    @override
    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        moment = time.time()
        oldest, used = (
            self._connection()
            .execute(
                "SELECT MIN(time), COALESCE(SUM(amount), 0) FROM hits WHERE key = ? AND time > ?",
                (key, moment - expiry),
            )
            .fetchone()
        )
        return (float(oldest), int(used)) if used else (moment, 0)


class Limits:
    """The rates of a gallery's tokens.

    Args:
        folder: The gallery's folder, where they are counted.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.storage = SQLiteStorage(f"{SCHEME}://{self.file.absolute()}")
        self._limiter = MovingWindowRateLimiter(self.storage)

    def spend(self, rates: str, act: str, name: str, *, amount: int) -> None:
        """Count an access.

        Args:
            rates: Such as ``60/minute;1000/day``.
            act: What is done.
            name: Who does it.
            amount: How many queries or images it is; none counts as one.

        Raises:
            PermissionError: a rate is exceeded; nothing was counted for it.
            ValueError: the file is damaged.
        """
        amount = max(1, amount)
        try:
            for rate in parse_many(rates):
                if amount > rate.amount:
                    raise RateError(
                        f"{act}: {amount} at once are more than the limit of {name}, {rate}; ask for fewer at once",
                        seconds=float("inf"),
                    )
                if not self._limiter.hit(rate, act, name, cost=amount):
                    seconds = self._limiter.get_window_stats(rate, act, name).reset_time - time.time()
                    raise RateError(
                        f"{act}: {name} is over its limit, {rate}; try again in {max(1, round(seconds))} s",
                        seconds=max(0.0, seconds),
                    )
        except sqlite3.Error as error:
            raise InputError(f"{self.file}: {error}; if it is damaged, remove it: the counts begin anew") from None
