"""The data keys of a sealed gallery, each wrapped by the gallery's key; who destroys one erases what it sealed."""

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reid_lit.errors import ExistingFileError, InputError, MissingFileError, WriteError
from reid_lit.gallery.master import Master, WrongKeyError

FILE = "keys.sqlite"
VERSION = 1
_LIVE, _PENDING, _DESTROYED = 0, 1, 2
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (owner TEXT PRIMARY KEY, tag BLOB UNIQUE, state INTEGER NOT NULL, wrapped BLOB) WITHOUT ROWID;
CREATE INDEX left_over ON keys (state) WHERE state != 0;
"""
_AMONG = "owner IN (SELECT value FROM json_each(?))"


class KeyStore:
    """Data keys by their owner: a random name for a person, or for an image without one.

    A key is live; or pending, while rows are sealed by it that another key seals until then; or destroyed, until the
    rows that it sealed have left the engine. The file is SQLite's, with ``secure_delete``: what is removed is
    overwritten. No name of a person is in it: a person is known again by a keyed hash.

    Args:
        file: Its file.
        master: The gallery's key.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it is damaged, or the key is another one.
    """

    def __init__(self, file: Path, master: Master) -> None:
        self.file = file
        if not file.is_file():
            raise MissingFileError(f"{file} is missing: without it nothing in the gallery can be opened; restore it")
        with self._transaction(write=False, check=False) as database:
            facts = dict(database.execute("SELECT name, value FROM facts").fetchall())
        if facts.get("version") != VERSION:
            raise InputError(f"{file}: version {facts.get('version')}, and this is {VERSION}; restore it from a copy")
        self.gallery = bytes(facts["gallery"])
        self._accept(master, facts["check"])
        self._id_key = self._unwrap("id", facts["id_key"])

    @classmethod
    def create(cls, file: Path, master: Master) -> "KeyStore":
        """Make an empty one.

        Raises:
            FileExistsError: there is one.
        """
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise ExistingFileError(f"{file} is there: keys of a gallery's rows; give another folder") from None
        gallery = secrets.token_bytes(16)
        id_key = _wrapped(master.derived("wrap", gallery), secrets.token_bytes(32), gallery, "id")
        facts = {"version": VERSION, "gallery": gallery, "check": master.check(gallery), "id_key": id_key}
        database = sqlite3.connect(file)
        try:
            database.executescript(_TABLES)
            database.executemany("INSERT INTO facts VALUES (?, ?)", (facts | {"added": 0, "erased": 0}).items())
            database.commit()
        finally:
            database.close()
        return cls(file, master)

    def hashed(self, text: str) -> bytes:
        """A hash that only who has the gallery's key can make; it stays when that key is changed."""
        return hmac.new(self._id_key, text.encode(), hashlib.sha256).digest()

    def changes(self) -> tuple[int, int]:
        """How often rows were added and erased."""
        with self._transaction(write=False) as database:
            facts = dict(database.execute("SELECT name, value FROM facts WHERE name IN ('added', 'erased')").fetchall())
        return facts["added"], facts["erased"]

    def for_persons(self, persons: Sequence[str | None]) -> list[tuple[str, bytes]]:
        """Owner and data key of new rows: a person's, which may be new, and one for each row of no person."""
        found: dict[bytes, tuple[str, bytes]] = {}
        made, answer = [], []
        with self._transaction() as database:
            for person in persons:
                tag = None if person is None else self.hashed(f"person {person}")
                pair = None if tag is None else found.get(tag) or self._by_tag(database, tag)
                if pair is None:
                    pair = secrets.token_hex(16), secrets.token_bytes(32)
                    made.append((pair[0], tag, _LIVE, self._wrap(*pair)))
                if tag is not None:
                    found[tag] = pair
                answer.append(pair)
            database.executemany("INSERT INTO keys VALUES (?, ?, ?, ?)", made)
            database.execute("UPDATE facts SET value = value + 1 WHERE name = 'added'")
        return answer

    def _by_tag(self, database: sqlite3.Connection, tag: bytes) -> tuple[str, bytes] | None:
        row = database.execute("SELECT owner, wrapped FROM keys WHERE tag = ?", [tag]).fetchone()
        return None if row is None else (row[0], self._unwrap(*row))

    def of(self, owners: Sequence[str]) -> dict[str, bytes]:
        """The data keys of those owners that have one."""
        with self._transaction(write=False) as database:
            rows = database.execute(
                f"SELECT owner, wrapped FROM keys WHERE {_AMONG} AND wrapped IS NOT NULL", [json.dumps(list(owners))]
            ).fetchall()
        return {owner: self._unwrap(owner, wrapped) for owner, wrapped in rows}

    def successors(self, owners: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        """A new, pending owner and data key for each owner."""
        made = {owner: (secrets.token_hex(16), secrets.token_bytes(32)) for owner in owners}
        with self._transaction() as database:
            rows = [(new, None, _PENDING, self._wrap(new, key)) for new, key in made.values()]
            database.executemany("INSERT INTO keys VALUES (?, ?, ?, ?)", rows)
        return made

    def destroy(self, owners: Sequence[str], *, successors: dict[str, tuple[str, bytes]]) -> None:
        """Destroy the data keys of owners, and make their successors live, at once."""
        with self._transaction() as database:
            tags = dict(database.execute(f"SELECT owner, tag FROM keys WHERE {_AMONG}", [json.dumps(list(owners))]))
            change = f"UPDATE keys SET wrapped = NULL, tag = NULL, state = {_DESTROYED} WHERE {_AMONG}"
            database.execute(change, [json.dumps(list(owners))])
            live = [(tags.get(owner), new) for owner, (new, _) in successors.items()]
            database.executemany(f"UPDATE keys SET state = {_LIVE}, tag = ? WHERE owner = ?", live)
            database.execute("UPDATE facts SET value = value + 1 WHERE name = 'erased'")

    def left_over(self) -> list[str]:
        """Owners whose rows have yet to leave the engine: pending ones of a killed process, and destroyed ones."""
        with self._transaction(write=False) as database:
            return [owner for (owner,) in database.execute("SELECT owner FROM keys WHERE state != 0")]

    def forget(self, owners: Sequence[str]) -> None:
        """Remove owners that have no rows any more."""
        with self._transaction() as database:
            database.execute(f"DELETE FROM keys WHERE {_AMONG}", [json.dumps(list(owners))])
        self._compact()

    def is_by(self, master: Master) -> bool:
        """Whether this is the gallery's key."""
        return hmac.compare_digest(master.check(self.gallery), self._check)

    def rotate(self, master: Master, *, tell: Callable[[int, int], None]) -> None:
        """Wrap all keys by another key of the gallery, in one transaction: a kill leaves all as before, or all done."""
        wrap = master.derived("wrap", self.gallery)
        with self._transaction() as database:
            rows = database.execute("SELECT owner, wrapped FROM keys WHERE wrapped IS NOT NULL").fetchall()
            for done, (owner, wrapped) in enumerate(rows, 1):
                again = _wrapped(wrap, self._unwrap(owner, wrapped), self.gallery, owner)
                database.execute("UPDATE keys SET wrapped = ? WHERE owner = ?", [again, owner])
                tell(done, len(rows))
            id_key, check = _wrapped(wrap, self._id_key, self.gallery, "id"), master.check(self.gallery)
            database.execute("UPDATE facts SET value = ? WHERE name = 'id_key'", [id_key])
            database.execute("UPDATE facts SET value = ? WHERE name = 'check'", [check])
        self._accept(master, check)
        self._compact()

    def _compact(self) -> None:
        """Write the file anew: copies that SQLite has left in unused room of its pages go too."""
        with self._connection() as database:
            database.execute("VACUUM")

    def _accept(self, master: Master, check: bytes) -> None:
        self._check = bytes(check)
        if not self.is_by(master):
            raise WrongKeyError(
                f"{master.source}: not the key of {self.file.parent}; give the one that it is sealed by"
            )
        self._wrapping = master.derived("wrap", self.gallery)

    def _wrap(self, owner: str, key: bytes) -> bytes:
        return _wrapped(self._wrapping, key, self.gallery, owner)

    def _unwrap(self, owner: str, wrapped: bytes) -> bytes:
        try:
            return AESGCM(self._wrapping).decrypt(wrapped[:12], wrapped[12:], self.gallery + owner.encode())
        except InvalidTag:
            raise InputError(f"{self.file}: the data key {owner} is damaged; restore the file from a copy") from None

    @contextmanager
    def _transaction(self, *, write: bool = True, check: bool = True) -> Iterator[sqlite3.Connection]:
        """All or nothing; on the disk at its end."""
        with self._connection() as database:
            database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            if check:
                self._check_current(database)
            yield database
            database.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            database = sqlite3.connect(f"{self.file.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None)
            try:
                database.execute("PRAGMA secure_delete = ON").fetchall()
                database.execute("PRAGMA synchronous = EXTRA")
                yield database
            finally:
                database.close()  # what was not committed is rolled back
        except sqlite3.OperationalError as error:
            raise WriteError(f"{self.file}: {error}; free the disk, or end what else uses the file") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.file}: damaged ({error}); restore it from a copy") from error

    def _check_current(self, database: sqlite3.Connection) -> None:
        (check,) = database.execute("SELECT value FROM facts WHERE name = 'check'").fetchone()
        if bytes(check) != self._check:
            raise WrongKeyError(f"{self.file.parent} has another key since it was opened; open it with the new one")


def _wrapped(wrapping: bytes, key: bytes, gallery: bytes, owner: str) -> bytes:
    """A key, encrypted by another: nonce, ciphertext and tag, bound to its gallery and owner."""
    nonce = os.urandom(12)
    return nonce + AESGCM(wrapping).encrypt(nonce, key, gallery + owner.encode())
